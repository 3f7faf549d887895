"""Masks for pages that are shared, so that they hold no path, no file name, no patient id, no user name.

Two nets. Settings and texts are masked as they are read, by what may be shown rather than by what may not;
and before a page is written it is searched for the names of the photographs behind it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePath

from woundgen.errors import UserError

HIDDEN = "(not shown)"

# Text under a setting with one of these words in its name may be a path or a column of the clinic's table.
_NAMES_A_PLACE = re.compile(
    r"(?<![a-z])(paths?|dirs?|directory|folders?|files?|filename|roots?|data|dataset|csv|tables?|manifest|cache|out"
    r"|output|photos?|photographs?|images?|masks?|references?|patients?|groups?|columns?|users?|host|hostname"
    r"|resume|config|sources?|captions?|real|generated|logging|project)(?![a-z])"
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SUFFIX = re.compile(r"\.(png|jpe?g|bmp|tiff?|webp|heic|dcm|csv|tsv|xlsx?|jsonl?|ya?ml|txt|safetensors|pt)\b", re.I)
_QUOTED = re.compile(r"(['\"]).*?\1")
_WORD = re.compile(r"\S+")
_PLACE = re.compile(r"^\W*(~|/|\\|\.{1,2}[/\\]|[A-Za-z]:[/\\])|[/\\].*[/\\]")
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,[A-Za-z0-9+/=]+")


def shown(key: str, value: object) -> str:
    """A setting as it may be shown: numbers, switches and words are; whatever may be a place is not."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        items = [shown(key, item) for item in value]
        return HIDDEN if HIDDEN in items else ", ".join(items) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {shown(f'{key}.{name}', item)}" for name, item in value.items()) or "none"
    return _shown_text(key, str(value))


def _shown_text(key: str, text: str) -> str:
    if "prompt" in key:
        return masked(text)
    if "base" in key:
        return base_name(text)
    if _NAMES_A_PLACE.search(key.lower()) or re.search(r"[/\\]", text) or masked(text) != text:
        return HIDDEN
    return text


def base_name(name: str) -> str:
    """A model of the hub is named; of a folder on this machine only its last part is."""
    return name if _HUB_ID.fullmatch(name) else PurePath(name.replace("\\", "/")).name or HIDDEN


def masked(text: str) -> str:
    """Running text without anything that looks like a path or a file name."""
    text = _QUOTED.sub(lambda found: HIDDEN if _is_place(found.group()) else found.group(), text)
    return _WORD.sub(lambda found: HIDDEN if _is_place(found.group()) else found.group(), text)


def _is_place(text: str) -> bool:
    return bool(_PLACE.search(text) or _SUFFIX.search(text))


def shown_command(command: str) -> str:
    """The command with its options, each value that may be a place or a name left out."""
    try:
        words = shlex.split(command)
    except ValueError:
        return HIDDEN
    if not words:
        return ""
    return " ".join([PurePath(words[0]).name, *(_shown_word(i, word) for i, word in enumerate(words[1:]))])


def _shown_word(position: int, word: str) -> str:
    name, equals, value = word.partition("=")
    if equals:
        return f"{name}={shown(name, value)}" if _is_number(value) or not _is_place(word) else f"{name}=…"
    plain = word.startswith("-") or _is_number(word) or word in ("latest", "best", "I", "P", "R")
    return word if plain or (position == 0 and word.isalpha()) else "…"


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", text, re.I))


def refuse_private(page: str, private: Iterable[str], *, name: str) -> None:
    """Raises UserError where the text of `page` holds one of `private`: then nothing is written.

    Strings without a letter or of fewer than four characters are passed over: they occur in any table.
    """
    text = _DATA_URI.sub("", page)
    for secret in private:
        if len(secret) >= 4 and re.search(r"[A-Za-z]", secret) and _holds(text, secret):
            raise UserError(
                f"{name} would hold {secret!r}, which is private; it was not written.",
                "Take it out of the run's name, prompt or labels.",
            )


def _holds(text: str, secret: str) -> bool:
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", text))
