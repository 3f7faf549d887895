"""The dose curve of a study of utility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from woundgen.reporting.figures import BLUE, GREEN, GREY, INK, ORANGE, STYLE


@dataclass(frozen=True, slots=True)
class FigurePoint:
    dose: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Level:
    """An arm that has no dose."""

    name: str
    value: float


def dose_figure(title: str, curves: Mapping[str, Sequence[FigurePoint]], levels: Sequence[Level]) -> Figure:
    """Each curve over evenly spaced doses (they double rather than add), each level a line across."""
    with rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.subplots()
        for level, colour, dash in zip(levels, (INK, GREEN, GREY), ("--", "-.", ":"), strict=False):
            axes.axhline(level.value, color=colour, linestyle=dash, linewidth=1.3, label=level.name)
        for number, (name, points) in enumerate(curves.items()):
            places = [place + 0.08 * number for place in range(len(points))]
            below = [point.value - point.low for point in points]
            above = [point.high - point.value for point in points]
            axes.errorbar(
                places,
                [point.value for point in points],
                yerr=[below, above],
                color=(BLUE, ORANGE)[number],
                linestyle=("-", "--")[number],
                marker="os"[number],
                markersize=4,
                capsize=2,
                linewidth=1.5,
                label=name,
            )
        doses = [f"{point.dose:g}" for point in next(iter(curves.values()))]
        axes.set_xticks(range(len(doses)), doses)
        axes.set(title=title, xlabel="images added for each photograph", ylabel="kappa")
        figure.legend(loc="outside lower center", ncols=3)
    return figure
