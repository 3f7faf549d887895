"""The charts of a study of settings: parallel coordinates, importance, learning curves, confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from woundgen.reporting.figures import BLUE, GREY, INK, ORANGE, STYLE

COLOURS = "viridis"


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting. places: of each trial in 0..1. ticks: place and text of some values."""

    name: str
    places: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]


def parallel_figure(
    axes_of: Sequence[Axis], values: Sequence[float], complete: Sequence[bool], *, marked: int | None, metric: str
) -> Figure:
    """Draw a line for each trial across its settings, coloured by its value; trials that were pruned are thin.

    marked: the place of the winner, drawn last and in ink.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(max(9.0, 1.1 + 1.25 * len(axes_of)), 3.6), layout="constrained")
        axes = figure.subplots()
        ordered = np.argsort(-np.asarray(values), kind="stable")
        rank = Normalize(0, max(1, len(values) - 1))
        for drawn, trial in enumerate(ordered):
            if trial == marked:
                continue
            colour = _colour(1 - rank(drawn))
            _draw_trial(axes, axes_of, int(trial), colour, 1.6 if complete[trial] else 0.6)
        if marked is not None:
            _draw_trial(axes, axes_of, marked, INK, 2.6)
        for place, entry in enumerate(axes_of):
            axes.axvline(place, color=GREY, linewidth=0.8)
            for height, text in entry.ticks:
                axes.annotate(
                    text, (place, height), xytext=(3, 0), textcoords="offset points", fontsize=7, va="center",
                    bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
                )  # fmt: skip
        axes.set_xticks(range(len(axes_of)), [entry.name.replace("_", "\n") for entry in axes_of], fontsize=8)
        axes.set_yticks([])
        axes.set_xlim(-0.15, len(axes_of) - 0.45)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_title(f"Settings of each trial; yellow: low {metric}, black: the winner")
    return figure


def _draw_trial(axes: object, axes_of: Sequence[Axis], trial: int, colour: object, width: float) -> None:
    axes.plot(  # type: ignore[attr-defined]
        range(len(axes_of)), [entry.places[trial] for entry in axes_of], color=colour, linewidth=width, alpha=0.9
    )


def _colour(share: float) -> tuple[float, float, float, float]:
    """share: 0 for the lowest value, which is yellow."""
    from matplotlib import colormaps

    return tuple(colormaps[COLOURS](1 - share))  # type: ignore[return-value]


def curves_figure(curves: Mapping[str, Sequence[tuple[float, float]]], *, leaders: Sequence[str], label: str) -> Figure:
    """Draw each trial's values over the share of its steps; leaders in colour, the rest grey."""
    colours = dict(zip(leaders, (BLUE, ORANGE, "#009E73", "#CC79A7"), strict=False))
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.subplots()
        for name, points in sorted(curves.items(), key=lambda entry: entry[0] in colours):
            axes.plot(
                [share for share, _ in points], [value for _, value in points],
                color=colours.get(name, "#c3cad2"), linewidth=1.6 if name in colours else 0.8,
                label=name if name in colours else None,
            )  # fmt: skip
        axes.set(title=f"{label} of each trial", xlabel="share of the trial's steps", ylabel=label)
        if colours:
            figure.legend(loc="outside lower center", ncols=4)
    return figure
