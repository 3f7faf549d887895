"""Advice on photographs, from rows alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from woundgen.pipeline.advice import FEWEST, USUAL, count_phases, give_advice
from woundgen.records import Box, ManifestRow

ROW = ManifestRow("1.png", "0", "I", "p1", Box(0, 0, 200, 200), 200, "row 1")


def advise(rows: list[ManifestRow]) -> list[str]:
    return [*give_advice(count_phases(rows, resolution=128), resolution=128, validation_share=0.15)]


def test_enough_good_photographs_need_no_advice() -> None:
    assert advise([ROW] * 60) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box": None}, "7 of 60 photographs have no box"),
        ({"group": None}, "7 of 60 photographs name no patient"),
        ({"native_crop": 100}, "7 of 60 crops are smaller than 128 pixels"),
    ],
)
def test_each_lack_is_named_with_its_number(change: dict, words: str) -> None:
    advice = advise([ROW] * 53 + [replace(ROW, **change)] * 7)
    assert len(advice) == 1
    assert words in advice[0]


def test_too_few_are_left_out_and_few_are_warned_of() -> None:
    assert "left out" in advise([ROW] * (FEWEST - 1))[0]
    few = advise([ROW] * (USUAL - 1))
    assert "repeat them" in few[0]
    assert "nothing is measured" in few[1], "49 x 0.15 = 7"
    assert not count_phases([ROW] * (FEWEST - 1), resolution=128)[0].is_enough


def test_phases_are_counted_apart() -> None:
    counts = count_phases([ROW, replace(ROW, label="R", group=None), replace(ROW, group="p2")], resolution=128)
    assert [(c.phase, c.photographs, c.groups, c.without_patient) for c in counts] == [("I", 2, 2, 0), ("R", 1, 0, 1)]
