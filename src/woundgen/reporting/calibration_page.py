"""CALIBRATION.md and its plot: what the thresholds are, at which n, and how sure. Names no photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.figure import Figure

from woundgen.reporting.figures import BLUE, INK, ORANGE, STYLE
from woundgen.reporting.tables import Table, as_markdown
from woundgen.screening.acceptance import Acceptance
from woundgen.screening.calibration import Calibration
from woundgen.screening.conformal import ConformalBound, conformal_bound, mutual_conformal_bound
from woundgen.screening.rules import TITLES
from woundgen.screening.statistics import CLOSENESS
from woundgen.storage.names import CALIBRATION_SVG

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Scores:
    """[n] of each photograph: its largest deviation and its largest nearness, in robust standard deviations."""

    deviation: npt.NDArray[np.float64]
    nearness: npt.NDArray[np.float64]


def calibration_page(calibration: Calibration, left_out: Scores, accepted: Sequence[Acceptance]) -> str:
    """left_out: of the references, each from those of other patients. accepted: tried on photographs held out."""
    tried = [one.sentence() for one in accepted] or ["No photograph is held out: what is accepted is not known."]
    lines = [
        "# What is usual among the photographs",
        "",
        f"{calibration.n} photographs of {calibration.groups} patients; {calibration.duplicates} near duplicates left "
        "out. An image passes if its largest deviation is at most the joint threshold; it is a copy if its nearness is "
        "above the copy threshold. Both are in robust standard deviations from the photographs of other patients.",
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
        as_markdown(_ceilings(calibration)),
    ]
    return "\n".join(lines)


def _quantiles(calibration: Calibration, left_out: Scores) -> Table:
    joint, copy = calibration.threshold, calibration.copy_threshold
    rows = [("joint threshold", *_cells(joint)), ("copy threshold", *_cells(copy))]
    rows += [("deviation", *_cells(conformal_bound(left_out.deviation, level=level))) for level in LEVELS]
    rows += [("nearness", *_cells(mutual_conformal_bound(left_out.nearness, level=level))) for level in LEVELS]
    notes = (
        "Interval: two order statistics that hold the true quantile with 95 % confidence; open where n is too small. "
        "Nearness counts photographs in pairs.",
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


def _ceilings(calibration: Calibration) -> Table:
    rows = [
        (TITLES[name], f"{'above' if CLOSENESS[name] > 0 else 'below'} {calibration.ceiling(name):.3g}")
        for name in calibration.closeness
    ]
    return Table(("nearness to one photograph", "is a copy"), tuple(rows))


def calibration_figure(calibration: Calibration, left_out: Scores, held_out: Scores | None) -> Figure:
    """Two panels: share of photographs at or below each score, the threshold, and the interval of its quantile."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, name, bound, word in zip(
            panels,
            ("deviation", "nearness"),
            (calibration.threshold, calibration.copy_threshold),
            ("deviation (joint rule)", "nearness (copy ceiling)"),
            strict=True,
        ):
            _steps(axes, getattr(left_out, name), BLUE, "-", "references, each against other patients'")
            if held_out is not None:
                _steps(axes, getattr(held_out, name), ORANGE, "--", "held out")
            axes.axvline(bound.value, color=INK, linewidth=1.3, label="threshold")
            low, high = bound.quantile_low, bound.quantile_high
            end = axes.get_xlim()[1] if high is None else high
            if low is not None:
                axes.axvspan(low, end, color=INK, alpha=0.12, label="95 % interval of the quantile")
            axes.set(xlabel=f"largest {word}, robust SD", ylabel="share of photographs", ylim=(0, 1.02))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _steps(axes: object, values: npt.NDArray[np.float64], colour: str, dash: str, name: str) -> None:
    axes.ecdf(values, color=colour, linestyle=dash, linewidth=1.5, label=f"{name} (n = {len(values)})")  # type: ignore[attr-defined]
