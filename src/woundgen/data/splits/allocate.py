"""Deal whole groups to several sides so that every class is shared out as wanted. Pure, deterministic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from woundgen.data.splits.choose_units import choose_units

Counts = NDArray[np.int_]
TOLERANCE = 0.05  # of a class, a side may be off its share; always at least one photograph
_NODES = 5_000  # of the exact search: a limit that does not depend on the clock


def allot(counts: Counts, *, already: Counts, shares: Sequence[float], tolerance: float = TOLERANCE) -> Counts | None:
    """int [U], the side of each unit; None where no division leaves every class something on every side.

    counts: int [U, C], items of each class in each free unit. already: int [K, C], items on each side beforehand.
    shares: [K], sum 1. Near the shares by `choose_units`, a side at a time; where that is further off than
    `tolerance`, an integer programme (HiGHS) looks for the division whose worst side is off least. So a division
    within tolerance is found wherever there is one (in few groups: the search ends after 5,000 nodes).
    Earlier units win ties: shuffle them for another division.
    """
    sides = _side_by_side(counts, already=already, shares=shares)
    if _excess(counts, sides, already=already, shares=shares, tolerance=tolerance) <= 0:
        return sides
    exact = _least_excess(counts, already=already, shares=shares, tolerance=tolerance)
    if exact is not None:
        return exact
    held = _held(counts, sides, already=already)
    return sides if (held[:, held.sum(axis=0) > 0] > 0).all() else None


def deviations(counts: Counts, sides: Counts, *, already: Counts, shares: Sequence[float]) -> NDArray[np.float64]:
    """[K, C]: share of each class on each side, less the wanted share. 0 for a class that has no items."""
    held = _held(counts, sides, already=already)
    total = held.sum(axis=0)
    return np.where(total > 0, held / np.maximum(total, 1) - np.asarray(shares)[:, None], 0.0)


def allowed(total: Counts, tolerance: float) -> NDArray[np.float64]:
    """[C]: how many items of each class a side may be off."""
    return np.maximum(tolerance * total, 1.0)


def _side_by_side(counts: Counts, *, already: Counts, shares: Sequence[float]) -> Counts:
    """The last side first, each from what is left; the first side gets the rest."""
    sides = np.zeros(len(counts), int)
    total = counts.sum(axis=0) + already.sum(axis=0)
    for side in range(len(shares) - 1, 0, -1):
        free = np.flatnonzero(sides == 0)
        left = counts[free].sum(axis=0) + already[: side + 1].sum(axis=0)
        chosen = choose_units(counts[free], already=already[side], wanted=shares[side] * total, total=left)
        sides[free[chosen]] = side
    return sides


def _held(counts: Counts, sides: Counts, *, already: Counts) -> Counts:
    held = already.copy()
    np.add.at(held, sides, counts)
    return held


def _excess(counts: Counts, sides: Counts, *, already: Counts, shares: Sequence[float], tolerance: float) -> float:
    """By how many items the worst side is off beyond what is allowed; infinite where a side lacks a class."""
    held = _held(counts, sides, already=already)
    total = held.sum(axis=0)
    if (held[:, total > 0] == 0).any():
        return np.inf
    off = np.abs(held - np.asarray(shares)[:, None] * total) - allowed(total, tolerance)
    return float(off.max(initial=-np.inf))


def _least_excess(counts: Counts, *, already: Counts, shares: Sequence[float], tolerance: float) -> Counts | None:
    """Minimise t: every side within allowed + t of its share, at least one of each class; x[u, k] in {0, 1}."""
    units, sides = len(counts), len(shares)
    total = counts.sum(axis=0) + already.sum(axis=0)
    there = np.flatnonzero(total)
    sums, wanted, slack = [], [], []
    for side in range(sides):
        for column in there:
            row = np.zeros((units, sides))
            row[:, side] = counts[:, column]
            sums.append(row.ravel())
            wanted.append(shares[side] * total[column] - already[side, column])
            slack.append(allowed(total, tolerance)[column])
    above = np.column_stack([sums, -np.ones(len(sums))])  # sum - t <= wanted + slack
    below = np.column_stack([sums, np.ones(len(sums))])
    least = np.array([1 - already[side, column] for side in range(sides) for column in there])
    once = np.column_stack([np.kron(np.eye(units), np.ones(sides)), np.zeros(units)])
    found = milp(
        np.append(np.zeros(units * sides), 1.0),
        integrality=np.append(np.ones(units * sides), 0),
        bounds=Bounds(0, np.append(np.ones(units * sides), np.inf)),
        constraints=[
            LinearConstraint(above, -np.inf, np.add(wanted, slack)),
            LinearConstraint(below, np.subtract(wanted, slack), np.inf),
            LinearConstraint(np.column_stack([sums, np.zeros(len(sums))]), least, np.inf),
            LinearConstraint(once, 1, 1),
        ],
        options={"node_limit": _NODES},
    )
    return None if found.x is None else found.x[:-1].reshape(units, sides).argmax(axis=1)
