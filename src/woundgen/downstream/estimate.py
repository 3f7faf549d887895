"""Uncertainty of a score and of differences of scores, over patients and over seeds at once.

Patients: the jackknife that leaves out one whole group of test images (JK1 of survey sampling, Wolter 2007,
section 4.2), whatever the score is. Seeds: the variance of their mean. The two variances are added, as for
crossed random effects, which counts their interaction twice: the intervals are rather too wide than too narrow.
What one arm owes to a patient or a seed is kept by patient and seed, so a difference of two arms is paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

Array = npt.NDArray[np.float64]
Score = Callable[[npt.NDArray], Array]  # of counts [..., K, K] to [...]

DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """value: mean over seeds. by_group [G], by_seed [S]: signed parts whose squares add up to the variance."""

    value: float
    by_group: Array
    by_seed: Array

    def minus(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.by_group - other.by_group, self.by_seed - other.by_seed)

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt((self.by_group**2).sum() + (self.by_seed**2).sum()))

    @property
    def of_seeds(self) -> float:
        """Share of the variance that is that of the seeds; 0 where there is none."""
        return float((self.by_seed**2).sum()) / self.error**2 if self.error > 0 else 0.0

    @property
    def degrees(self) -> float:
        """Of freedom, by Satterthwaite (1946)."""
        parts = [((self.by_group**2).sum(), len(self.by_group) - 1), ((self.by_seed**2).sum(), len(self.by_seed) - 1)]
        below = sum(variance**2 / spare for variance, spare in parts)
        return float(sum(variance for variance, _ in parts) ** 2 / below) if below > 0 else float(parts[0][1])

    def bounds(self, *, level: float = 0.95) -> tuple[float, float]:
        """Student's interval of this number alone."""
        margin = float(t.ppf(0.5 + level / 2, self.degrees)) * self.error
        return self.value - margin, self.value + margin


def of_counts(score: Score, counts: npt.NDArray[np.integer]) -> Estimate:
    """Of a score of confusion counts; counts: [S, G, K, K]."""
    total = counts.sum(axis=1)
    return _estimate(score(total), score(total[:, None] - counts))


def of_mean(sums: Array, sizes: npt.NDArray[np.integer]) -> Estimate:
    """Of a mean over images; sums: [S, G] over each group's images, sizes: [G] images of each group."""
    total, images = sums.sum(axis=1), sizes.sum()
    return _estimate(total / images, (total[:, None] - sums) / (images - sizes))


def _estimate(by_seed: Array, left_out: Array) -> Estimate:
    """by_seed: [S]; left_out: [S, G], the score without each group."""
    seeds, groups = left_out.shape
    assert seeds >= 2
    assert groups >= 2
    without = left_out.mean(axis=0)
    return Estimate(
        value=float(by_seed.mean()),
        by_group=np.sqrt((groups - 1) / groups) * (without.mean() - without),
        by_seed=(by_seed - by_seed.mean()) / np.sqrt(seeds * (seeds - 1)),
    )


def joint_level(differences: Sequence[Estimate], *, level: float = 0.95) -> float:
    """The level at which each single interval has to be taken so that ALL of them hold at once with `level`.

    From the largest |z| of normal variables with the correlations of the differences (max-T; Hothorn, Bretz &
    Westfall 2008), by DRAWS fixed random draws; every difference then takes Student's quantile of its own degrees.
    """
    moving = [one for one in differences if one.error > 0]
    if len(moving) < 2:
        return level
    parts = np.stack([np.concatenate([one.by_group, one.by_seed]) / one.error for one in moving])
    values, vectors = np.linalg.eigh(parts @ parts.T)
    normal = np.random.default_rng(0).standard_normal((DRAWS, len(moving)))
    largest = np.abs(normal * np.sqrt(np.maximum(values, 0)) @ vectors.T).max(axis=1)
    return float(1 - 2 * norm.sf(np.quantile(largest, level)))


def smallest_shown(one: Estimate, *, level: float, power: float = 0.8) -> float:
    """The true difference that an interval at `level` would keep clear of 0 with probability `power`."""
    return float(t.ppf(0.5 + level / 2, one.degrees) + t.ppf(power, one.degrees)) * one.error
