"""The job of `woundgen study new --plan`: what studies of several sizes can show, before one is drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from woundgen.events import Info, Work
from woundgen.reporting.tables import Table, as_text
from woundgen.study.planning import (
    POWER,
    Design,
    half_width,
    items_for_equivalence,
    power_of_equivalence,
    power_to_tell,
)

ITEMS, READERS = (40, 60, 120, 240, 400), (1, 3, 5, 8, 12)


@dataclass(frozen=True, slots=True)
class ReaderStudyPlan:
    """Power of a study of one size. margin: of equivalence to an accuracy of 0.5."""

    design: Design
    margin: float

    def to_json(self) -> dict[str, Any]:
        """Return sizes and assumptions; half_width of the 95 % interval and powers in 0..1.

        items_needed: for equivalence with a power of 0.8 and as many readers; None where no number is enough.
        """
        return {
            **asdict(self.design),
            "margin": self.margin,
            "half_width": half_width(self.design),
            "power_to_tell_60": power_to_tell(self.design),
            "power_of_equivalence": power_of_equivalence(self.design, margin=self.margin),
            "items_needed": items_for_equivalence(self.design, margin=self.margin),
        }


def show_plan(
    *, items: int, readers: int, margin: float, reader_sd: float, case_correlation: float
) -> Work[ReaderStudyPlan]:
    """Say what the size asked for shows, then a table of others."""
    asked = Design(items, readers, reader_sd, case_correlation)
    yield Info(_sentence(asked, margin))
    designs = {(n, r) for n in (*ITEMS, items) for r in (*READERS, readers)}
    rows = tuple(_row(Design(n, r, reader_sd, case_correlation), margin) for n, r in sorted(designs))
    header = ("items", "readers", "accuracy", "tell 60 %", f"equivalent +-{margin:g}")
    notes = (
        "accuracy: half width of the 95 % interval at 50 %. tell 60 %: power to tell a true one of 60 % from 50 %. "
        f"equivalent: power to claim that guessing readers cannot tell (two one-sided tests, margin {margin:g}).",
        f"Assumed: accuracies of readers differ with a standard deviation of {reader_sd:g} (--reader-sd), two readers' "
        f"errors correlate by {case_correlation:g} (--case-correlation). One reader alone speaks for himself only.",
    )
    yield Info(as_text(Table(header, rows, notes)))
    for count in sorted({*READERS, readers}):
        needed = items_for_equivalence(Design(2, count, reader_sd, case_correlation), margin=margin)
        words = "no number of items" if needed is None else f"{needed} items"
        yield Info(f"equivalence with {POWER:.0%} power, {count} reader{'s' if count > 1 else ''}: {words}")
    return ReaderStudyPlan(asked, margin)


def _sentence(design: Design, margin: float) -> str:
    return (
        f"{design.items} items ({design.items // 2} real, {design.items // 2} synthetic) and {design.readers} readers: "
        f"accuracy to +-{half_width(design):.1%}; power {power_to_tell(design):.0%} to tell 60 % from 50 %; power "
        f"{power_of_equivalence(design, margin=margin):.0%} to claim equivalence to 50 % within +-{margin:.0%}."
    )


def _row(design: Design, margin: float) -> tuple[str, ...]:
    return (
        str(design.items),
        str(design.readers),
        f"+-{half_width(design):.1%}",
        f"{power_to_tell(design):.0%}",
        f"{power_of_equivalence(design, margin=margin):.0%}",
    )
