"""The second net before anything is written to be shared: patients' ids and photographs' names in its text.

Names come from the photographs themselves where they are at hand, and from the run's salted marks in any case: with
the run's key each word of a text can be salted and looked up, though the marks alone name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from woundgen.data.layouts.find_photos import find_photos
from woundgen.errors import UserError
from woundgen.privacy.exposure import KEY, MARKS
from woundgen.privacy.marks import mark_of_group
from woundgen.records import Photo

Search = Callable[[str], list[str]]
SHORTEST, SHORTEST_NUMBER = 4, 6
"""Characters from which an id is looked for; shorter ones occur in any text."""
LONGEST = 4  # words in an id
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=]+")
_WORD = re.compile(r"[^\s\"'<>()\[\]{},;:=|`]+")


def private_names(photos: Iterable[Photo]) -> list[str]:
    """Ids of patients, and names and paths of files, that no text to share may hold."""
    names: set[str] = set()
    for photo in photos:
        path = Path(photo.path)
        names |= {photo.path, str(path.parent), path.name, *([photo.group] if photo.group else [])}
    return sorted(name for name in names if _is_telling(name))


def _is_telling(name: str) -> bool:
    """Whether an id is long enough to be looked for; a generated set has files named by six digits itself."""
    if re.fullmatch(r"\d+\.\w+", name):
        return False
    return len(name) >= (SHORTEST if re.search(r"[^\W\d]", name) else SHORTEST_NUMBER)


def find_names(text: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that stand in the text as whole words, in any case; pictures are passed over."""
    text = _DATA_URI.sub("", text).casefold()
    return [name for name in names if name.casefold() in text and _holds(text, name.casefold())]


def _holds(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text))


def find_marked(text: str, *, key: str, marks: Iterable[str]) -> list[str]:
    """Runs of up to LONGEST words of the text whose salted mark is among a run's marks."""
    known, found = set(marks), set()
    words = [match.span() for match in _WORD.finditer(_DATA_URI.sub("", text))]
    text = _DATA_URI.sub("", text)
    candidates = {
        text[words[first][0] : words[last][1]]
        for first in range(len(words))
        for last in range(first, min(first + LONGEST, len(words)))
    }
    for candidate in candidates | {one.strip(".-_/#*") for one in candidates}:
        if _is_telling(candidate) and mark_of_group(candidate, key=key) in known:
            found.add(candidate)
    return sorted(found)


def names_of_run(record: Mapping[str, Any]) -> Search:
    """Search a text for the patients and photographs of a run. record: its run.json."""
    data = record.get("data") or {}
    names: list[str] = []
    if folder := data.get("folder"):
        names = [folder]
        with suppress(UserError, OSError):  # the photographs may be on another machine: the marks are here
            names += private_names(find_photos(Path(folder), phases=list(record["phases"]), unlabelled=None))

    def search(text: str) -> list[str]:
        marked = find_marked(text, key=data[KEY], marks=data[MARKS]) if KEY in data and MARKS in data else []
        return [*find_names(text, names), *marked]

    return search


def refuse_names(texts: Mapping[str, str], searches: Sequence[Search]) -> None:
    """Raise UserError where one of `texts` (by the name of what would hold it) names a patient or a photograph."""
    for where, text in texts.items():
        for search in searches:
            if found := search(text):
                raise UserError(
                    f"{where} would hold {found[0]!r}, which is private; it was not written.",
                    "Take it out of the run's name, the folder's name, the prompt or the label.",
                )
