"""Charts as matplotlib Figures: no pyplot, no state. They are small, so that they can be read on a phone.

Colours are Okabe & Ito's (2008), told apart by the colour-blind; line styles tell them apart in grey too.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#6b7280", "#1f2933"
COLOURS = {"ema": BLUE, "raw": ORANGE}
_SPARE = ("#CC79A7", GREEN, "#E69F00", "#56B4E9")
_DASHES = {"ema": "-", "raw": "--"}
_MARKERS = {"ema": "o", "raw": "s"}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "path",  # the same letters on every machine, and nothing to fetch
    "svg.hashsalt": "woundgen",  # the same bytes for the same chart
}
_WIDTH = 4.8  # inches
_MOST_POINTS = 1000  # of a drawn line: more cannot be told apart at this width


@dataclass(frozen=True, slots=True)
class Series:
    """Values over steps; lows and highs are their intervals, None where there is none."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A level to hold a curve against, such as its floor."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def smoothed(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Centred mean over `window` (odd) steps, fewer at the ends; steps without a finite value are left out."""
    finite, kernel = np.isfinite(values), np.ones(window)
    total = np.convolve(np.where(finite, values, 0.0), kernel, "same")
    count = np.convolve(finite.astype(float), kernel, "same")
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def smoothing_window(count: int) -> int:
    """An odd number of about a thirtieth of the rows."""
    return max(1, count // 60) * 2 + 1


def loss_figure(steps: Sequence[int], losses: Sequence[float], rates: Sequence[float]) -> Figure:
    """Training loss, raw and smoothed, and the learning rate below it. `steps` is not empty."""
    x, y = np.asarray(steps), np.asarray(losses, np.float64)
    window = min(smoothing_window(len(x)), len(x) - 1 + len(x) % 2)
    thin = slice(None, None, -(-len(x) // _MOST_POINTS))
    with rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot(x[thin], y[thin], color="#b8cfe0", linewidth=0.7, label="each logged step")
        top.plot(x[thin], smoothed(y, window)[thin], color=BLUE, linewidth=1.6, label=f"mean of {window} rows")
        _limit_to_bulk(top, y)
        top.set(title="Training loss", ylabel="loss")
        top.legend(loc="upper right")
        bottom.plot(x[thin], np.asarray(rates, np.float64)[thin], color=GREY, linewidth=1.4)
        bottom.set(xlabel="step", ylabel="learning\nrate")
        bottom.set_ylim(bottom=0)
        bottom.ticklabel_format(axis="y", scilimits=(-2, 2))
        _whole_steps(bottom)
        figure.align_ylabels()
    return figure


def _limit_to_bulk(axes: Axes, values: npt.NDArray[np.float64]) -> None:
    """Single spikes would flatten everything else: the axis ends above 99.5 % of the values."""
    finite = values[np.isfinite(values)]
    if len(finite) >= 20:
        low, high = finite.min(), np.quantile(finite, 0.995)
        margin = 0.08 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)


def metric_figure(
    title: str, series: Sequence[Series], *, references: Sequence[Reference] = (), best: int | None = None
) -> Figure:
    """A measured number over the steps of training, raw and EMA, with intervals and its floor and ceiling."""
    with rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 3.0), layout="constrained")
        axes = figure.subplots()
        for reference, colour, dash in zip(references, (GREY, GREEN), (":", "-."), strict=False):
            _draw_reference(axes, reference, colour, dash)
        for i, one in enumerate(series):
            _draw_series(axes, one, COLOURS.get(one.name, _SPARE[i % len(_SPARE)]))
        if best is not None:
            axes.axvline(best, color=INK, linewidth=0.8, alpha=0.5)
            axes.annotate(" kept as best", (best, 1), xycoords=("data", "axes fraction"), va="top", fontsize=7.5)
        axes.set(title=title, xlabel="step")
        axes.margins(y=0.12)
        steps = {step for one in series for step in one.steps}
        if len(steps) == 1:  # no curve: a point of a run that begins at 0
            axes.set_xlim(0, 1.1 * max(1, *steps))
        _whole_steps(axes)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _draw_series(axes: Axes, series: Series, colour: str) -> None:
    x, y = np.asarray(series.steps), np.asarray(series.values)
    name = {"ema": "EMA", "raw": "raw weights"}.get(series.name, series.name)
    marker, dash = _MARKERS.get(series.name, "o"), _DASHES.get(series.name, "-")
    axes.plot(x, y, dash, color=colour, marker=marker, markersize=3.5, linewidth=1.5, label=name)
    low, high = (np.array([np.nan if b is None else b for b in side]) for side in (series.lows, series.highs))
    if np.isfinite(low).all() and len(x) == 1:
        axes.errorbar(x, y, yerr=[y - low, high - y], color=colour, capsize=3, linewidth=1.2)
    elif np.isfinite(low).any():
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)


def _draw_reference(axes: Axes, reference: Reference, colour: str, dash: str) -> None:
    axes.axhline(reference.value, color=colour, linestyle=dash, linewidth=1.4, label=reference.name)
    if reference.low is not None and reference.high is not None:
        axes.axhspan(reference.low, reference.high, color=colour, alpha=0.10, linewidth=0)


def _whole_steps(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def counts_figure(title: str, counts: Mapping[str, int], *, aside: Collection[str] = ()) -> Figure:
    """Horizontal bars with number and share: the first in blue, those named `aside` in grey, others in orange."""
    total = sum(counts.values())
    with rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 0.9 + 0.34 * len(counts)), layout="constrained")
        axes = figure.subplots()
        names, values = list(counts), list(counts.values())
        colours = [BLUE, *(GREY if name in aside else ORANGE for name in names[1:])]
        bars = axes.barh(names, values, color=colours, height=0.66)
        axes.bar_label(bars, [f"{v}  ({v / max(total, 1):.0%})" for v in values], padding=4, fontsize=8)
        axes.set(xlim=(0, 1.25 * max([1, *values])))
        # Over the whole figure: long names leave the axes too narrow for it.
        figure.suptitle(
            title, x=0.02, ha="left", fontsize=STYLE["axes.titlesize"], fontweight=STYLE["axes.titleweight"]
        )
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval (None where there is none), one line of an intervals_figure."""

    name: str
    value: float
    low: float | None
    high: float | None


def intervals_figure(title: str, bars: Sequence[Bar], *, references: Sequence[Reference] = ()) -> Figure:
    """Values of several candidates below one another, with their intervals, floor and ceiling."""
    with rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 1.2 + 0.32 * len(bars)), layout="constrained")
        axes = figure.subplots()
        for reference, colour, dash in zip(references, (GREY, GREEN), (":", "-."), strict=False):
            axes.axvline(reference.value, color=colour, linestyle=dash, linewidth=1.4, label=reference.name)
            if reference.low is not None and reference.high is not None:
                axes.axvspan(reference.low, reference.high, color=colour, alpha=0.10, linewidth=0)
        for i, bar in enumerate(bars):
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [i, i], color=BLUE, linewidth=2.2, alpha=0.45)
            axes.plot(bar.value, i, "o", color=BLUE, markersize=5)
        axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
        axes.set(title=title, ylim=(len(bars) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        if references:
            figure.legend(loc="outside lower center", ncols=2)
    return figure


def svg_bytes(figure: Figure) -> bytes:
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def png_bytes(figure: Figure, *, dpi: int = 150) -> bytes:
    return _saved(figure, "png", {"Software": None}, dpi=dpi)


def _saved(figure: Figure, kind: str, metadata: dict[str, None], *, dpi: int = 72) -> bytes:
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi)
    return buffer.getvalue()
