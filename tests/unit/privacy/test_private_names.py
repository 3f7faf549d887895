"""Patients' ids and photographs' names are found in any text, and other words are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from woundgen.errors import UserError
from woundgen.privacy.exposure import KEY, MARKS
from woundgen.privacy.marks import mark_of_group, new_key
from woundgen.privacy.private_names import find_marked, find_names, names_of_run, private_names, refuse_names
from woundgen.records import Photo

PHOTOS = [
    Photo("/data/clinic/mueller_left.png", "I", group="Meier-Hans-1953"),
    Photo("/data/clinic/000017.png", "I", group="19530412"),
    Photo("/data/clinic/b.png", "I", group="P1"),
]


@pytest.mark.parametrize(
    "text",
    [
        "a wound of Meier-Hans-1953, red",
        "run meier-hans-1953",
        "<p>19530412</p>",
        "from /data/clinic",
        "mueller_left.png",
    ],
)
def test_names_are_found(text: str) -> None:
    assert find_names(text, private_names(PHOTOS))


@pytest.mark.parametrize(
    "text", ["images/000017.png", "P1", "Meier-Hans-19535", "119530412", "data:image/png;base64,19530412"]
)
def test_other_words_are_not(text: str) -> None:
    assert find_names(text, private_names(PHOTOS)) == []


def test_a_runs_marks_find_a_name_without_the_photographs(tmp_path: Path) -> None:
    key = new_key()
    record = {
        "phases": ["I"],
        "data": {"folder": str(tmp_path / "gone"), KEY: key, MARKS: [mark_of_group("Meier Hans 1953", key=key)]},
    }
    assert names_of_run(record)("prompt: a wound of Meier Hans 1953, red") == ["Meier Hans 1953"]
    assert names_of_run(record)("a wound of Meier Hans 1954") == []
    assert find_marked("x", key=key, marks=[]) == []


def test_photographs_that_are_there_are_searched_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "photographs" / "I"
    folder.mkdir(parents=True)
    for name in ("anna_k.png", "berta_l.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
    record = {"phases": ["I"], "data": {"folder": str(folder.parent)}}
    assert names_of_run(record)("see anna_k.png") == ["anna_k.png"]


def test_a_hit_refuses() -> None:
    names = private_names(PHOTOS)
    with pytest.raises(UserError, match=r"set\.json would hold 'Meier-Hans-1953', which is private"):
        refuse_names({"set.json": "of Meier-Hans-1953"}, [lambda text: find_names(text, names)])
    refuse_names({"set.json": "a wound"}, [lambda text: find_names(text, names)])
