"""Intervals for statistics that have an honest one: smooth functions of independent units.

Means, mean differences, means over pairs and KID: the jackknife (Efron & Stein 1981), whole groups deleted
where images of one patient belong together (Busing, Meijer & van der Leeden 1999, for groups of unequal
size), with Student's t. Proportions of independent images: exact binomial bounds.

Not here, because their values shift with n: the Frechet distance, neighbour scores and the inception score.
They carry the spread of draws at their n (floor.py), which says nothing of the population. Nothing here
resamples with replacement: duplicates bias kernel and neighbour statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, t

from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its bounds; `text` says what they are. p: two-sided, that the value is 0, of the same estimate."""

    value: float
    low: float
    high: float
    text: str
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Jackknife:
    """left_out [g]: the statistic without each unit in turn; sizes [g]: images in that unit."""

    left_out: Array
    sizes: npt.NDArray[np.integer]

    def variance(self, value: float) -> float:
        """Of `value`, the statistic of all units: Busing et al. 1999, eq. 4."""
        share = self.sizes / self.sizes.sum()
        pseudo = (value - (1 - share) * self.left_out) / share
        centre = len(share) * value - ((1 - share) * self.left_out).sum()
        return float(np.mean((pseudo - centre) ** 2 / (1 / share - 1)))


def jackknife_interval(
    value: float, jackknives: Sequence[Jackknife], *, level: float = 0.95, kind: str = "delete-one"
) -> Interval:
    """value -+ t s, with s^2 the sum over independent samples and Satterthwaite's degrees of freedom."""
    variances = [jackknife.variance(value) for jackknife in jackknives]
    spare = [len(jackknife.sizes) - 1 for jackknife in jackknives]
    total = sum(variances)
    denominator = sum(v**2 / f for v, f in zip(variances, spare, strict=True))
    degrees = total**2 / denominator if denominator > 0 else float(sum(spare))
    margin = float(t.ppf(0.5 + level / 2, degrees)) * total**0.5
    if total > 0:
        p = float(2 * t.sf(abs(value) / total**0.5, degrees))
    else:
        p = 1.0 if value == 0 else 0.0
    return Interval(value, value - margin, value + margin, f"{level:.0%} {kind} jackknife", p)


def mean_interval(values: Array, *, groups: Groups | None = None, level: float = 0.95) -> Interval:
    """Mean of [n]. Ungrouped this is Student's interval; with groups whole groups are deleted."""
    jackknife = _jackknife_of_mean(np.asarray(values, np.float64), groups)
    return jackknife_interval(float(np.mean(values)), [jackknife], level=level, kind=_kind(groups))


def pair_mean_interval(matrix: Array, *, column_groups: Groups | None = None, level: float = 0.95) -> Interval:
    """Mean over all pairs [N, M] of N independent images with M: both sides are samples, and both vary."""
    sides = [
        _jackknife_of_mean(matrix.mean(axis=1), None),
        _jackknife_of_mean(matrix.mean(axis=0), column_groups),
    ]
    return jackknife_interval(float(matrix.mean()), sides, level=level, kind=_kind(column_groups))


def own_pair_mean_interval(matrix: Array, *, groups: Groups | None = None, level: float = 0.95) -> Interval:
    """Mean over the pairs of one set, symmetric [N, N], that join different groups; three groups or more."""
    codes = group_codes(groups, len(matrix))
    assert codes.max() >= 2, "without one of two groups there are no pairs left"
    apart = codes[:, None] != codes
    totals, counts = np.where(apart, matrix, 0.0).sum(axis=1), apart.sum(axis=1)
    units, sizes = np.unique(codes, return_counts=True)
    lost = np.array([(totals[codes == unit].sum(), counts[codes == unit].sum()) for unit in units])
    # Each pair is counted from both ends, so a group takes its rows and as many columns with it.
    left_out = (totals.sum() - 2 * lost[:, 0]) / (counts.sum() - 2 * lost[:, 1])
    value = float(totals.sum() / counts.sum())
    return jackknife_interval(value, [Jackknife(left_out, sizes)], level=level, kind=_kind(groups))


def binomial_bounds(successes: int, count: int, *, level: float = 0.95) -> tuple[float, float]:
    """Clopper & Pearson (1934): contains the true proportion at least as often as `level`, at any n."""
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, successes, count - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, count - successes)) if successes < count else 1.0
    return low, high


def _jackknife_of_mean(values: npt.NDArray[np.float64], groups: Groups | None) -> Jackknife:
    codes = group_codes(groups, len(values))
    sizes = np.bincount(codes)
    return Jackknife((values.sum() - np.bincount(codes, values)) / (len(values) - sizes), sizes)


def _kind(groups: Groups | None) -> str:
    return "delete-one" if groups is None else "delete-group"
