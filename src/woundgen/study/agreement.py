"""Agreement beyond chance, between readers and of a reader with himself, with jackknife intervals over items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

Array = npt.NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Agreement:
    """kappa: None where every answer was the same, so that nothing beyond chance can be seen. share: equal answers.

    low, high: of kappa, None where it has none. n: items.
    """

    kappa: float | None
    low: float | None
    high: float | None
    share: float
    n: int


def fleiss_kappa(counts: Array) -> float:
    """Fleiss (1971). counts: [items, categories], answers; items may have different numbers of them, two at least."""
    raters = counts.sum(axis=1)
    assert (raters >= 2).all(), "an item needs two answers"
    observed = ((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))).mean()
    by_chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((observed - by_chance) / (1 - by_chance)) if by_chance < 1 - 1e-12 else float("nan")


def cohen_kappa(table: Array, *, weighted: bool = False) -> float:
    """Cohen (1960); weighted: by squared steps (1968). table: [K, K], counts of first answer by second answer."""
    size = len(table)
    steps = np.subtract.outer(np.arange(size), np.arange(size)).astype(np.float64)
    cost = steps**2 if weighted else (steps != 0).astype(np.float64)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    by_chance = (cost * expected).sum()
    return float(1 - (cost * table).sum() / by_chance) if by_chance > 1e-12 else float("nan")


def agree_among(answers: Array, categories: int) -> Agreement | None:
    """Fleiss's kappa of answers [J, N], 0..categories-1 or NaN; items with fewer than two answers are left out.

    None where fewer than three items remain.
    """
    counts = np.stack([(answers == category).sum(axis=0) for category in range(categories)], axis=1).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) < 3:
        return None
    raters = counts.sum(axis=1)
    share = float(((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))).mean())
    return _with_interval(counts, fleiss_kappa, share)


def agree_in_pairs(first: Array, second: Array, categories: int, *, weighted: bool = False) -> Agreement | None:
    """Cohen's kappa of two answers to each item [N], 0..categories-1 or NaN; None below three items."""
    both = np.isfinite(first) & np.isfinite(second)
    pairs = np.stack([first[both], second[both]], axis=1).astype(int)
    if len(pairs) < 3:
        return None

    def kappa(rows: Array) -> float:
        table = np.zeros((categories, categories))
        np.add.at(table, tuple(rows.T.astype(int)), 1)
        return cohen_kappa(table, weighted=weighted)

    return _with_interval(pairs.astype(np.float64), kappa, float((pairs[:, 0] == pairs[:, 1]).mean()))


def _with_interval(rows: Array, statistic: Callable[[Array], float], share: float) -> Agreement:
    """Jackknife over the rows, with Student's quantile."""
    n, value = len(rows), statistic(rows)
    if not np.isfinite(value):
        return Agreement(None, None, None, share, n)
    left_out = np.array([statistic(np.delete(rows, row, axis=0)) for row in range(n)])
    if not np.isfinite(left_out).all():
        return Agreement(value, None, None, share, n)
    error = float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))
    margin = float(t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    low, high = max(-1.0, value - margin), min(1.0, value + margin)
    # Without a single disagreement the jackknife sees no spread, which is no certainty: no interval is given.
    return Agreement(value, low if error > 0 else None, high if error > 0 else None, share, n)
