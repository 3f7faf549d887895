"""Show the units of a study as they go: a table that is drawn anew on a terminal, else a line for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from woundgen.runtime.console import Console
from woundgen.workflows.tune.unit import Unit, UnitResult

if TYPE_CHECKING:
    from rich.live import Live

ROWS = 20  # of the table, the newest
HEADER = ("unit", "settings", "steps", "value", "recall", "copies")


@dataclass(slots=True)
class LiveTable:
    """console: with a bar where standard output is a terminal. rows: cells by the unit's name, in the order begun."""

    console: Console
    metric: str
    live: Live | None = None
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __enter__(self) -> LiveTable:
        """Begin to draw the table, on a terminal."""
        if self.console.bar is not None:
            from rich.live import Live

            self.live = Live(_table([]), console=self.console.bar.console, auto_refresh=False)
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the table as it is."""
        if self.live is not None:
            self.live.stop()

    def report(self, unit: Unit, result: UnitResult | None) -> None:
        """Show that a unit has begun, or its result."""
        if unit.name in self.rows and result is not None and self.rows[unit.name][3]:
            return
        cells = _cells(unit, result)
        self.rows[unit.name] = cells
        if self.live is not None:
            self.live.update(_table(list(self.rows.values())[-ROWS:]), refresh=True)
        elif result is None:
            self.console.info(f"{cells[0]}: training ({cells[1]})")
        else:
            self.console.info(f"{cells[0]}: {self.metric} {cells[3]}, recall {cells[4]}, {cells[5]}")


def _cells(unit: Unit, result: UnitResult | None) -> tuple[str, ...]:
    settings = ", ".join(f"{key} {_short(value)}" for key, value in unit.settings.items()) or "the starting config"
    if result is None:
        return (unit.name, settings, "", "", "", "")
    best = result.points[result.best]
    recall = "-" if best.recall is None else f"{best.recall:.2f}"
    copies = "copies not looked for" if result.copies is None else f"{result.copies} copies"
    broken = " (breaks a constraint)" if max(result.violations) > 0 else ""
    return (unit.name, settings, str(result.steps), f"{result.value:.4g}", recall, copies + broken)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(rows: list[tuple[str, ...]]) -> Any:
    from rich.table import Table

    table = Table(*HEADER, title="woundgen tune")
    for row in rows:
        table.add_row(*row[:3], row[3] or "running", *row[4:])
    return table
