"""Thresholds that hold at the n there is: order statistics of real photographs, and how sure they are.

Of n exchangeable scores and one more, the newcomer is at most the k-th smallest with probability k / (n + 1)
at least (Vovk, Gammerman & Shafer 2005). No distribution is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv
from scipy.stats import binom

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ConformalBound:
    """The `rank`-th smallest of n scores, taken for the share `asked`.

    coverage_low, coverage_high: exact 95 % interval, over draws of the n, of the share of new images at or
    below `value`. quantile_low, quantile_high: scores that hold the true quantile `asked` with 95 %
    confidence, None where n is too small to bound it on that side.
    """

    value: float
    rank: int
    n: int
    asked: float
    coverage_low: float
    coverage_high: float
    quantile_low: float | None
    quantile_high: float | None

    @property
    def promised(self) -> float:
        return self.rank / (self.n + 1)

    @property
    def reached(self) -> bool:
        """False where n is too small for `asked`: then the largest score stands in."""
        return self.promised >= self.asked - 1e-9

    def statement(self) -> str:
        sure = f"holds for {self.coverage_low:.1%} to {self.coverage_high:.1%} of new ones (95 % interval)"
        if self.reached:
            return f"rank {self.rank} of {self.n} for {self.asked:.1%}; {sure}"
        needed = math.ceil(round(self.asked / (1 - self.asked), 6))
        return (
            f"the largest of {self.n}, which promises {self.promised:.1%}, not the {self.asked:.1%} asked for "
            f"(that takes {needed}); {sure}"
        )


def conformal_bound(scores: npt.NDArray[np.floating], *, level: float) -> ConformalBound:
    """The ceil(level (n + 1))-th smallest of scores [n], or the largest where n is too small for that."""
    n, ordered = len(scores), np.sort(scores)
    rank = min(math.ceil(level * (n + 1) - 1e-9), n)  # .95 x 20 must be 19 whatever its last bit
    tail = (1 - CONFIDENCE) / 2
    low, high = binom.ppf([tail, 1 - tail], n, level).astype(int) + np.array([0, 1])
    return ConformalBound(
        value=float(ordered[rank - 1]),
        rank=rank,
        n=n,
        asked=level,
        coverage_low=float(betaincinv(rank, n + 1 - rank, tail)),
        coverage_high=float(betaincinv(rank, n + 1 - rank, 1 - tail)),
        quantile_low=float(ordered[low - 1]) if low >= 1 else None,
        quantile_high=float(ordered[high - 1]) if high <= n else None,
    )
