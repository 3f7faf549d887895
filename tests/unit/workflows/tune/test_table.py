"""The live table: redrawn on a terminal, a line for each unit elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as Screen
from rich.progress import Progress

from woundgen.runtime.console import Console
from woundgen.workflows.tune.table import LiveTable
from woundgen.workflows.tune.unit import Point, Unit, UnitResult

UNIT = Unit(
    "trial_001_rung_1",
    "trial_001",
    {"learning_rate": 0.000123, "lora_rank": 8},
    0,
    1.0,
    {},
    "validation",
    8,
    8,
    0,
    True,
)


def result(*, copies: int | None = 0, violations: tuple[float, float] = (0.0, 0.0)) -> UnitResult:
    points = (Point({"guidance_scale": 2.0}, 0.51, 0.4, 8), Point({"guidance_scale": 1.5}, 0.25, None, 8))
    return UnitResult(UNIT.name, 30, points, 1, copies, None, violations, {"training": 1.0, "drawing": 1.0})


def test_a_line_for_each_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable(Console(), "KID") as table:
        table.report(UNIT, None)
        table.report(UNIT, result(copies=3, violations=(0.0, 2.0)))
        table.report(UNIT, result())  # read from disk once more: it is there already
    first, second = capsys.readouterr().out.splitlines()
    assert first == "trial_001_rung_1: training (learning_rate 0.000123, lora_rank 8)"
    assert second == "trial_001_rung_1: KID 0.25, recall -, 3 copies (breaks a constraint)"


def test_a_table_on_a_terminal() -> None:
    """The row of a unit is one row: running, then its result."""
    screen = Screen(file=io.StringIO(), force_terminal=True, width=120)
    with Progress(console=screen) as bar, LiveTable(Console("lines", bar), "KID") as table:
        table.report(UNIT, None)
        running = screen.file.getvalue()  # type: ignore[attr-defined]
        table.report(UNIT, result())
    shown = screen.file.getvalue()[len(running) :]  # type: ignore[attr-defined]
    assert "running" in running
    assert "0.25" in shown
    assert "running" not in shown
    assert len(table.rows) == 1
