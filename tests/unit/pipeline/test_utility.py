"""Where a study of utility can be made, and at which doses."""

from __future__ import annotations

from woundgen.pipeline.utility import affordable_doses, find_obstacle
from woundgen.records import ManifestRow


def rows(*, sealed: int = 5, named: bool = True) -> list[ManifestRow]:
    """20 photographs of I and of R outside the hold-out, and `sealed` patients of each in it."""
    sides = ["train"] * 16 + ["validation"] * 4 + ["holdout"] * sealed
    return [
        ManifestRow(f"{phase}{i}", "0", phase, f"p{i}" if named else f"cluster-{i}", None, 200, "", split=side)  # type: ignore[arg-type]
        for phase in "IR"
        for i, side in enumerate(sides)
    ]


def test_it_can_be_made() -> None:
    assert find_obstacle(rows(), {"I": 40, "R": 10}) == ""


def test_each_obstacle_is_named() -> None:
    assert "two phases" in find_obstacle(rows(), {"I": 40})
    assert "names its patient" in find_obstacle(rows(named=False), {"I": 40, "R": 40})
    assert "I 4, R 4" in find_obstacle(rows(sealed=4), {"I": 40, "R": 40})
    assert "fewer images than 0.25" in find_obstacle(rows(), {"I": 40, "R": 4})


def test_doses_are_those_that_all_sets_can_give() -> None:
    assert affordable_doses(rows(), {"I": 40, "R": 40}) == (0.25, 0.5, 1.0, 2.0)
    assert affordable_doses(rows(), {"I": 40, "R": 10}) == (0.25, 0.5)
    assert affordable_doses(rows(), {"I": 40, "R": 4}) == ()
