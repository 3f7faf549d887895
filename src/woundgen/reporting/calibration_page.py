"""CALIBRATION.md and its plot: what the thresholds are, at which n, and how sure. Names no photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from woundgen.reporting.figures import BLUE, INK, ORANGE, STYLE
from woundgen.reporting.tables import Table, as_markdown
from woundgen.screening.acceptance import Acceptance
from woundgen.screening.calibration import Calibration
from woundgen.screening.conformal import ConformalBound, conformal_bound
from woundgen.screening.rules import TITLES
from woundgen.storage.names import CALIBRATION_SVG

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Scores:
    """[n] of each photograph. deviation: the largest, in robust SD. places: that agree with another photograph."""

    deviation: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]


def calibration_page(calibration: Calibration, left_out: Scores, accepted: Sequence[Acceptance], *, groups: str) -> str:
    """left_out: of the references, each from those of other groups. accepted: tried on photographs held out.

    groups: how many there are and what they are, such as "12 patients".
    """
    tried = [one.sentence() for one in accepted] or ["No photograph is held out: what is accepted is not known."]
    lines = [
        "# What is usual among the photographs",
        "",
        f"{calibration.n} photographs of {groups}; {calibration.duplicates} near duplicates left "
        "out. An image passes if its largest deviation, in robust standard deviations from the photographs of other "
        "groups, is at most the joint threshold; it is a copy if more places of it than the copy ceiling agree with "
        "one photograph under one turn, scale and shift.",
        "",
        *(f"- {line}" for line in (*calibration.statements(), *tried)),
        "",
        f"![share of photographs below each score]({CALIBRATION_SVG})",
        "",
        "## Thresholds and quantiles",
        "",
        as_markdown(_quantiles(calibration, left_out)),
        "## In each statistic's own unit",
        "",
        as_markdown(_bands(calibration)),
        as_markdown(_places(calibration, left_out)),
    ]
    return "\n".join(lines)


def _quantiles(calibration: Calibration, left_out: Scores) -> Table:
    rows = [("joint threshold", *_cells(calibration.threshold))]
    rows += [("deviation", *_cells(conformal_bound(left_out.deviation, level=level))) for level in LEVELS]
    notes = (
        "Interval: two order statistics that hold the true quantile with 95 % confidence; open where n is too small.",
    )
    return Table(("score", "share", "value", "rank", "95 % interval of the quantile"), tuple(rows), notes)


def _cells(bound: ConformalBound) -> tuple[str, str, str, str]:
    low, high = (f"{end:.2f}" if end is not None else "open" for end in (bound.quantile_low, bound.quantile_high))
    return f"{bound.asked:.1%}", f"{bound.value:.2f}", f"{bound.rank} of {bound.n}", f"{low} to {high}"


def _bands(calibration: Calibration) -> Table:
    rows = []
    for name in calibration.judged:
        low, high = calibration.band(name)
        rows.append((TITLES.get(name, name), *(f"{v:.3g}" for v in (low, calibration.usual[name].at(name, 0), high))))
    return Table(("statistic", "passes from", "median", "to"), tuple(rows))


def _places(calibration: Calibration, left_out: Scores) -> Table:
    """How many photographs agree with one of another scene in how many places."""
    ceiling = calibration.copy_ceiling
    values, counts = np.unique(left_out.places.astype(int), return_counts=True)
    rows = [(f"{value}", f"{count}") for value, count in zip(values, counts, strict=True)]
    rows.append((f"copy ceiling {ceiling.value} ({ceiling.low} to {ceiling.high})", f"{ceiling.n}"))
    return Table(("places that agree with a photograph of another scene", "photographs"), tuple(rows))


def calibration_figure(calibration: Calibration, left_out: Scores, held_out: Scores | None) -> Figure:
    """Two panels: share of photographs at or below each score, the threshold, and its interval."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.2), layout="constrained")
        joint, places = figure.subplots(1, 2)
        _draw_panel(joint, left_out.deviation, None if held_out is None else held_out.deviation)
        _draw_limits(
            joint, calibration.threshold.value, calibration.threshold.quantile_low, calibration.threshold.quantile_high
        )
        joint.set_xlabel("largest deviation (joint rule), robust SD")
        ceiling = calibration.copy_ceiling
        _draw_panel(places, left_out.places, None if held_out is None else held_out.places)
        _draw_limits(places, ceiling.value, ceiling.low, ceiling.high)
        places.set_xlabel("places that agree with a photograph")
        for axes in (joint, places):
            axes.set(ylabel="share of photographs", ylim=(0, 1.02))
        figure.legend(*joint.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_panel(axes: Axes, references: npt.NDArray[np.float64], held_out: npt.NDArray[np.float64] | None) -> None:
    _steps(axes, references, BLUE, "-", "references, each against other groups'")
    if held_out is not None:
        _steps(axes, held_out, ORANGE, "--", "held out")


def _draw_limits(axes: Axes, value: float, low: float | None, high: float | None) -> None:
    """The threshold and its interval, open to the right where `high` is None."""
    axes.axvline(value, color=INK, linewidth=1.3, label="threshold")
    if low is not None:
        end = axes.get_xlim()[1] if high is None else high
        axes.axvspan(low, end, color=INK, alpha=0.12, label="95 % interval of the threshold")


def _steps(axes: Axes, values: npt.NDArray[np.float64], colour: str, dash: str, name: str) -> None:
    axes.ecdf(values, color=colour, linestyle=dash, linewidth=1.5, label=f"{name} (n = {len(values)})")
