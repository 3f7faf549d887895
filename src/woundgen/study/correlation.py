"""Rank correlation with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, spearmanr

FEWEST = 5


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """rho: Spearman's. low, high: 95 %, None below FEWEST pairs, where it has no interval."""

    rho: float
    low: float | None
    high: float | None
    n: int


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike, *, level: float = 0.95) -> RankCorrelation | None:
    """Return Spearman's rho; interval by Fisher's z, variance (1 + rho^2 / 2) / (n - 3) (Bonett & Wright 2000).

    Pairs with a missing value are left out. None below three pairs, or where one of both does not vary.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    rho = float(spearmanr(x, y).statistic)
    if len(x) < FEWEST:
        return RankCorrelation(rho, None, None, len(x))
    z = np.arctanh(np.clip(rho, -1 + 1e-9, 1 - 1e-9))
    margin = norm.ppf(0.5 + level / 2) * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    return RankCorrelation(rho, float(np.tanh(z - margin)), float(np.tanh(z + margin)), len(x))
