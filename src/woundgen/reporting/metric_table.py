"""Measured numbers as a table: each with interval, n, network, floor and ceiling beside it."""

from __future__ import annotations

from collections.abc import Sequence

from woundgen.numbers import write_number
from woundgen.records import METRICS, MetricValue
from woundgen.reporting.grades import GRADES, Grades, grade
from woundgen.reporting.plain_names import metric_name
from woundgen.reporting.stored_metrics import FLOOR, REFERENCES, by_kind, kind, require_floors
from woundgen.reporting.tables import Table

ARROWS = {"lower": "↓", "higher": "↑", "none": "≈"}
_ARROW_NOTE = "↓ lower is better, ↑ higher is better, ≈ best where it is nearest to its floor."
_FLOOR_NOTE = (
    "Floor: the same number for one half of the real photographs against the other half, at equal n. "
    "Ceiling: real photographs after the autoencoder, the best that a model built on it can reach."
)
_TRAINING_NOTE = (
    "Training: the photographs trained on against those held out: what a model that has them by heart would get."
)
_GRADE_NOTE = (
    "Grades are the approved plan's thresholds, printed as asked, and beside them what the floor gets: where real "
    "photographs miss a grade, missing it says nothing of the model."
)

_HEADER = (
    "Metric",
    "Value",
    "Interval",
    "Floor (real halves)",
    "Ceiling (autoencoder)",
    "Training (photographs)",
    "n",
    "Features",
    "Grade asked for",
    "What the interval is",
)


def metric_table(values: Sequence[MetricValue], *, source: str, grades: Grades = GRADES) -> Table:
    """Raises UserError, naming `source`, where FD, FID or KID has no floor among `values`."""
    require_floors(values, source=source)
    floors, ceilings, trained = (by_kind(values, label) for label in REFERENCES)
    shown = [value for value in values if value.label not in REFERENCES]
    rows = tuple(
        _row(value, floors.get(kind(value)), ceilings.get(kind(value)), trained.get(kind(value)), grades)
        for value in shown
    )
    notes = (_ARROW_NOTE, *((_FLOOR_NOTE,) if floors or ceilings else ()), *((_TRAINING_NOTE,) if trained else ()))
    graded = any(grade(value, grades=grades) for value in shown)
    return Table(_HEADER, rows, (*notes, *((_GRADE_NOTE,) if graded else ()))).without_empty_columns()


def numbers_table(values: Sequence[MetricValue]) -> Table:
    """Return the measured numbers under plain names, each with its interval, n, and floor."""
    floors = by_kind(values, FLOOR)
    rows = tuple(
        (
            f"{metric_name(value)} {ARROWS[METRICS[value.metric].better]}",
            f"{write_number(value.value)} ({bounds(value)})"
            if value.low is not None
            else f"{write_number(value.value)} (no interval)",
            reference_cell(floors.get(kind(value)), value),
            n_of(value),
        )
        for value in values
        if value.label not in REFERENCES
    )
    notes = (_ARROW_NOTE, "In brackets: intervals; what each is stands in the full table.")
    return Table(("What", "These images", "Photographs (floor)", "n"), rows, notes).without_empty_columns()


def _row(
    value: MetricValue,
    floor: MetricValue | None,
    ceiling: MetricValue | None,
    trained: MetricValue | None,
    grades: Grades,
) -> tuple[str, ...]:
    return (
        f"{title(value)} {ARROWS[METRICS[value.metric].better]}",
        write_number(value.value),
        bounds(value),
        reference_cell(floor, value),
        reference_cell(ceiling, value),
        reference_cell(trained, value),
        n_of(value),
        f"{value.network} {(value.digest or '')[:8]}".strip() if value.network else "",
        grade(value, floor, grades=grades),
        value.interval,
    )


def title(value: MetricValue) -> str:
    """The registry's title; a distance in features other than Inception's names them."""
    name = METRICS[value.metric].title
    name = name[0].upper() + name[1:]
    if value.metric in ("fd", "kid", "perceptual", "lpips") and value.network:
        name += f" ({value.network})"
    return name + (f", {value.label}" if value.label else "")


def bounds(value: MetricValue) -> str:
    """Both ends with the same decimals; "none" where there is no interval."""
    if value.low is None or value.high is None:
        return "none"
    widest = max(abs(value.low), abs(value.high))
    return f"{write_number(value.low, like=widest)} to {write_number(value.high, like=widest)}"


def reference_cell(reference: MetricValue | None, value: MetricValue) -> str:
    """A floor or ceiling; n is said where it is not the value's own, for then the two do not compare."""
    if reference is None:
        return ""
    spread = "" if reference.low is None else f" ({bounds(reference)})"
    return write_number(reference.value) + spread + ("" if reference.n == value.n else f", at n = {n_of(reference)}")


def n_of(value: MetricValue) -> str:
    left, right = value.n
    return str(left) if left == right else f"{left} and {right}"
