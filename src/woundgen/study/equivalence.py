"""Cannot tell: two one-sided tests that a number lies within a margin of 0.5 (Schuirmann 1987).

An accuracy that is not significantly different from 50 % shows nothing: few answers never differ. Equivalence is
claimed where both "at least 50 % + margin" and "at most 50 % - margin" are rejected at 5 %, which is the same as the
90 % interval lying inside the margin.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import t

from woundgen.study.readers import Pooled

ALPHA = 0.05
CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Equivalence:
    """p: the larger of the two one-sided p-values. low, high: the 90 % interval that the claim is about."""

    margin: float
    p: float
    low: float
    high: float

    @property
    def claimed(self) -> bool:
        return self.p < ALPHA


def assess_equivalence(pooled: Pooled, *, margin: float, smallest_variance: float = 0.0) -> Equivalence:
    """Whether `pooled` lies within CHANCE -+ margin.

    smallest_variance: used where no answer varied, such as for readers who always say "real".
    """
    error = max(pooled.variance, smallest_variance) ** 0.5
    if error == 0:
        return Equivalence(margin, 1.0, 0.0, 1.0)
    above = (pooled.value - (CHANCE - margin)) / error
    below = ((CHANCE + margin) - pooled.value) / error
    quantile = float(t.ppf(1 - ALPHA, pooled.degrees)) * error
    p = max(float(t.sf(above, pooled.degrees)), float(t.sf(below, pooled.degrees)))
    return Equivalence(margin, p, pooled.value - quantile, pooled.value + quantile)
