"""Few photographs are warned of before a training, by phase."""

from __future__ import annotations

from woundgen.workflows.train.few_photographs import warn_of_few


def test_each_phase_with_few_is_named() -> None:
    sides = {"validation": 5, "holdout": 0}
    many, few, fewest = ({"train": number, **sides} for number in (50, 49, 9))
    assert list(warn_of_few({"I": many})) == []
    (line,) = warn_of_few({"I": many, "R": few})
    assert line.startswith("phase R: 49 photographs to train on")
    assert "screened" not in line
    (line,) = warn_of_few({"P": fewest})
    assert line.endswith("with fewer than 10 none can be screened")
