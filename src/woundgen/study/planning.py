"""The power of a study of a given size, computed before it begins.

The model is that of readers.py: readers differ with a standard deviation `reader_sd`, and two readers' errors on the
same pictures have the correlation `case_correlation`. Both are assumptions that a study's own report replaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, nct, norm, t

from woundgen.study.equivalence import ALPHA, CHANCE

POWER = 0.8
MOST_ITEMS = 4000
_NODES = 400


@dataclass(frozen=True, slots=True)
class Design:
    """items: distinct pictures, half of them synthetic. readers: who judge all of them."""

    items: int
    readers: int
    reader_sd: float = 0.05
    case_correlation: float = 0.1

    def spread(self, accuracy: float) -> tuple[float, float]:
        """(variance of the pooled accuracy, expected degrees of freedom) where the true one is `accuracy`."""
        of_one = accuracy * (1 - accuracy) / self.items
        if self.readers == 1:
            return of_one, self.items - 1
        between = self.reader_sd**2 + of_one * (1 - self.case_correlation)
        total = between + self.readers * of_one * self.case_correlation
        degrees = total**2 / (between**2 / (self.readers - 1))
        return total / self.readers, min(degrees, max(self.items / 2 - 1, self.readers - 1))


def half_width(design: Design, *, accuracy: float = CHANCE) -> float:
    """Of the 95 % interval of the pooled accuracy."""
    variance, degrees = design.spread(accuracy)
    return float(t.ppf(0.975, degrees)) * variance**0.5


def power_to_tell(design: Design, *, accuracy: float = 0.6) -> float:
    """Probability that the 95 % interval keeps clear of 0.5 where the true accuracy is `accuracy`."""
    variance, degrees = design.spread(accuracy)
    shift, critical = (accuracy - CHANCE) / variance**0.5, float(t.ppf(0.975, degrees))
    return float(nct.sf(critical, degrees, shift) + nct.cdf(-critical, degrees, shift))


def power_of_equivalence(design: Design, *, margin: float, accuracy: float = CHANCE) -> float:
    """Probability that both one-sided tests reject where the true accuracy is `accuracy`.

    Integrates over the estimated standard error, whose square follows chi-squared on the degrees of freedom.
    """
    variance, degrees = design.spread(accuracy)
    shares = (np.arange(_NODES) + 0.5) / _NODES
    error = np.sqrt(variance * chi2.ppf(shares, degrees) / degrees)
    room = margin - float(t.ppf(1 - ALPHA, degrees)) * error
    shift, sd = accuracy - CHANCE, variance**0.5
    claimed = norm.cdf((room - shift) / sd) - norm.cdf((-room - shift) / sd)
    return float(np.where(room > 0, claimed, 0.0).mean())


def items_for_equivalence(design: Design, *, margin: float, power: float = POWER) -> int | None:
    """Find the smallest even number of pictures at which guessing readers are called so; None above MOST_ITEMS."""

    def reached(items: int) -> bool:
        wanted = Design(items, design.readers, design.reader_sd, design.case_correlation)
        return power_of_equivalence(wanted, margin=margin) >= power

    if not reached(MOST_ITEMS):
        return None
    low, high = 2, MOST_ITEMS  # in steps of two: as many of each kind
    while high - low > 2:
        middle = (low + high) // 4 * 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
