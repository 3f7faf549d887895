"""What a check of photographs says first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from woundgen.data.splits.conflicts import Double
from woundgen.records import Box, LeftOut, ManifestRow
from woundgen.reporting.check_advice import FEWEST_PHOTOGRAPHS, advise, worst_pictures
from woundgen.reporting.check_data import CheckResult, Crop, Pair

ROW = ManifestRow("a.png", "0" * 64, "I", "patient", Box(0, 0, 200, 200), 200, "row 1")
GREY = np.zeros((8, 8, 3), np.uint8)


def result(*rows: ManifestRow, doubles: tuple[Double, ...] = (), crops: tuple[Crop, ...] = ()) -> CheckResult:
    pairs = tuple(Pair(double, GREY, GREY) for double in doubles)
    return CheckResult("photographs", 128, rows, (), len(rows), {}, doubles, crops, pairs)


MANY = [ROW] * FEWEST_PHOTOGRAPHS


@pytest.mark.parametrize(
    ("rows", "word", "says"),
    [
        (MANY, "Yes.", "woundgen train"),
        (MANY[1:], "Yes, with what stands below in mind.", f"Phase I has {FEWEST_PHOTOGRAPHS - 1} wounds"),
        ([*MANY, replace(ROW, group=None)], "Yes, with what stands below in mind.", "patient of 1 of 51 wounds"),
        ([*MANY, replace(ROW, box=None)], "Yes, with what stands below in mind.", "1 of 51 wounds have no box"),
        ([*MANY, replace(ROW, native_crop=90)], "Yes, with what stands below in mind.", "1 of 51 crops are smaller"),
    ],
)
def test_advice(rows: list[ManifestRow], word: str, says: str) -> None:
    advice = advise(result(*rows))
    assert advice.word == word
    assert says in " ".join(advice.lines)


def test_no_usable_photograph_is_an_error() -> None:
    nothing = CheckResult("x", 128, (), (LeftOut("row", "tiny", ""),), 1, {}, (), ())
    assert advise(nothing).tone == "bad"


def test_errors_come_first_and_stop_training() -> None:
    double = Double("a.png", "b.png", "the same bytes", ("phases I and R",))
    advice = advise(result(*MANY[1:], doubles=(double,)))
    assert (advice.word, advice.tone) == ("No: there are errors.", "bad")
    assert advice.lines[0].startswith("1 pair of photographs contradict")


def test_pictures_to_look_at_are_the_pairs_then_the_stamped_crops() -> None:
    double = Double("a.png", "b.png", "the same bytes", ("phases I and R",))
    crop = Crop(ROW, bordered=False, stamped=True, pixels=GREY)
    shown = worst_pictures(result(*MANY, doubles=(double,), crops=(crop,)))
    assert [heading for heading, _ in shown] == [
        "Pairs that contradict one another: 1 of 1, two by two",
        "A date stamp is left in the crop: 1 of 1",
    ]
    assert [picture.caption for picture in shown[0][1]] == ["a.png", "b.png"]
