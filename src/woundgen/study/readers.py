"""Intervals that respect readers and cases: the single-modality analysis of Obuchowski & Rockette.

Readers are a sample of readers and cases a sample of cases. With J readers, MS(R) the variance of their values and Cov2
the mean covariance of two readers' values over cases, the mean has the variance (MS(R) + J max(Cov2, 0)) / J and
Hillis's degrees of freedom (Obuchowski & Rockette 1995; Hillis 2007; Hillis 2014 for a single modality). Covariances
are those of the jackknife that leaves out one group (patient) at a time. The tests hold published values of the data
of Van Dyke et al. (1993). One reader alone has the variance over cases only, and says nothing of other readers.

Hillis's degrees of freedom take Cov2 as known. On 30 to 60 cases of a side it is not, and intervals of shares hold the
truth a little too seldom; theirs therefore count the spread of Cov2 over cases in (Satterthwaite 1946), but never fewer
than the J - 1 that the readers alone give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from woundgen.study.merit import Array, Merit

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Pooled:
    """A mean over readers. variance: of the mean. degrees: of freedom. groups: independent cases.

    between: MS(R), the variance of the readers' values, None for one reader. covariance: Cov2. share_degrees: of
    freedom of the interval of a share, None where they are `degrees`.
    """

    value: float
    variance: float
    degrees: float
    readers: int
    groups: int
    between: float | None = None
    covariance: float = 0.0
    share_degrees: float | None = None

    @property
    def error(self) -> float:
        return self.variance**0.5

    def bounds(self, *, level: float = LEVEL) -> tuple[float, float]:
        """value -+ t s, as published; for numbers without natural limits."""
        margin = float(t.ppf(0.5 + level / 2, self.degrees)) * self.error
        return self.value - margin, self.value + margin

    def bounds_of_share(self, *, level: float = LEVEL) -> tuple[float, float]:
        """Bounds inside 0..1: Wilson's interval (1927) at the effective number of answers, with Student's quantile.

        The effective number is value (1 - value) / variance (Korn & Graubard 1998). Where nothing varies, such as
        for readers who were right each time, it is the number of independent cases: the readers saw the same ones.
        """
        spread = self.value * (1 - self.value)
        n = spread / self.variance if self.variance > 1e-15 and spread > 1e-15 else float(self.groups)
        degrees = self.degrees if self.share_degrees is None else self.share_degrees
        quantile = float(t.ppf(0.5 + level / 2, degrees))
        centre = (self.value + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
        margin = quantile / (1 + quantile**2 / n) * (spread / n + quantile**2 / (4 * n**2)) ** 0.5
        return max(0.0, centre - margin), min(1.0, centre + margin)


def jackknife_covariance(left_out: Array) -> Array:
    """[J, J] over cases from values [J, G] without each group."""
    groups = left_out.shape[1]
    apart = left_out - left_out.mean(axis=1, keepdims=True)
    return (groups - 1) / groups * apart @ apart.T


def pool(merit: Merit) -> Pooled:
    """The mean over the readers who have a value."""
    usable = np.isfinite(merit.value) & np.isfinite(merit.left_out).all(axis=1)
    assert usable.any(), "no reader has enough answers"
    values, left_out = merit.value[usable], merit.left_out[usable]
    groups = merit.independent
    covariance = jackknife_covariance(left_out)
    readers = len(values)
    if readers == 1:
        return Pooled(float(values[0]), float(covariance[0, 0]), max(groups - 1, 1), 1, groups)
    between = float(values.var(ddof=1))
    shared = float((covariance.sum() - np.trace(covariance)) / (readers * (readers - 1)))
    sum_of_squares = between + readers * max(shared, 0.0)
    variance = sum_of_squares / readers
    degrees = sum_of_squares**2 / (between**2 / (readers - 1)) if between > 0 else float(groups - 1)
    # With nearly no spread between readers the formula has no limit; the cases then bound what is known.
    degrees = min(degrees, max(float(groups - 1), float(readers - 1)))
    of_share = degrees_with_cases(variance, between, max(shared, 0.0), left_out, most=degrees)
    return Pooled(float(values.mean()), variance, degrees, readers, groups, between, shared, of_share)


def degrees_with_cases(variance: float, between: float, shared: float, left_out: Array, *, most: float) -> float:
    """Satterthwaite's degrees of freedom of MS(R) / J + Cov2, both estimated: 2 V^2 over the variance of V.

    The variance of MS(R) is 2 MS(R)^2 / (J - 1); that of Cov2 is the spread, over the G groups, of what each adds to
    it. Between J - 1 and `most`.
    """
    readers, groups = left_out.shape
    if shared <= 0 or groups < 2:
        return most
    apart = left_out - left_out.mean(axis=1, keepdims=True)
    added = (apart.sum(axis=0) ** 2 - (apart**2).sum(axis=0)) * (groups - 1) / (readers * (readers - 1))
    spread = (between / readers) ** 2 / (readers - 1) + float(added.var(ddof=1)) / groups / 2
    return float(np.clip(variance**2 / spread, readers - 1, most)) if spread > 0 else most


def analyse_reader(merit: Merit, reader: int) -> Pooled | None:
    """One reader alone, over cases; None where there are too few answers for a value and its interval."""
    row = slice(reader, reader + 1)
    alone = Merit(merit.value[row], merit.left_out[row], merit.answered[row], merit.independent)
    if not np.isfinite(alone.value).all() or not np.isfinite(alone.left_out).all():
        return None
    return pool(alone)


def number_groups(names: Sequence[str]) -> npt.NDArray[np.intp]:
    """Equal names get equal numbers, from 0."""
    return np.unique(list(names), return_inverse=True)[1]
