"""Sweep draw-time settings on few images, each at the best of those before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from woundgen.tuning.space import DRAWING

Drawing = Mapping[str, Any]
Measure = Callable[[Drawing], float | None]
"""The objective of a drawing, lower is better; None where it cannot be drawn."""

MEASURED_WHOLE = 2  # of the drawings swept, the lowest, that are measured on all images
MOST_CLIMBED = 3  # values of a number beside the preferred one that a plan reckons with


def sweep_in_turn(values: Mapping[str, Sequence[Any]], measure: Measure) -> list[Drawing]:
    """Return the drawings that were measured, lowest first; of equal ones the earlier first. Each is measured once.

    values: of each key of DRAWING, the preferred first, which can be drawn. Numbers are climbed from there: up while
    that lowers the objective, else down; of other settings every value is measured. Without guidance its interval
    changes nothing and is passed over.
    """
    first = {key: values[key][0] for key in DRAWING}
    measured: list[tuple[float, Drawing]] = []

    def measure_at(drawing: Drawing) -> float | None:
        value = measure(drawing)
        if value is not None:
            measured.append((value, drawing))
        return value

    def measure_other(best: Drawing, key: str, item: Any) -> float | None:
        return measure_at({**best, key: item})

    assert measure_at(first) is not None, "the preferred values can be drawn"
    for key in DRAWING:
        value, best = min(measured, key=lambda entry: entry[0])
        if key == "guidance_interval" and best["guidance_scale"] == 1:
            continue
        _sweep_setting(values[key], value, partial(measure_other, best, key))
    return [drawing for _, drawing in sorted(measured, key=lambda entry: entry[0])]


def _sweep_setting(items: Sequence[Any], first: float, measure: Callable[[Any], float | None]) -> None:
    """Measure the values of a setting; items[0] has been measured: `first`."""
    if not is_climbed(items):
        for item in items[1:]:
            measure(item)
        return
    ordered = sorted(items)
    for direction in (1, -1):
        place, lowest = ordered.index(items[0]) + direction, first
        while 0 <= place < len(ordered):
            value = measure(ordered[place])
            if value is None or value >= lowest:
                break
            place, lowest = place + direction, value
        if lowest < first:
            return


def is_climbed(items: Sequence[Any]) -> bool:
    """Return whether the values are numbers, of which not all are measured."""
    return all(isinstance(item, int | float) for item in items)


def count_measured(values: Mapping[str, Sequence[Any]]) -> int:
    """Return how many drawings a sweep measures, about."""
    others = [
        min(len(values[key]) - 1, MOST_CLIMBED) if is_climbed(values[key]) else len(values[key]) - 1 for key in DRAWING
    ]
    return 1 + sum(others)
