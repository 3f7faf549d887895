"""Differences between two stored numbers that were taken on the same splits of the same photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from woundgen.records import METRICS, Direction, PairedValue
from woundgen.reporting.stored_metrics import StoredValue

LEAST_SPLITS = 5  # fewer have no 5 and 95 % to speak of
NO_DIFFERENCE = "no difference shown"
DECIDED = ("better", "worse", "higher", "lower")
FEWEST = 20  # images, and photographs, below which a difference gets no verdict
WIDTH = 2.0  # of the splits' standard deviation, on either side: at most 4 % false alarms by simulation

Sign = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class SplitDifference:
    """Second - first, with an interval. text: what the interval is. p: two-sided, where one was taken.

    splits: how many stored values it comes from; 0 where it was measured on the images themselves.
    """

    mean: float
    low: float
    high: float
    splits: int
    text: str = "2 standard deviations of the splits' differences on either side of their mean"
    p: float | None = None

    @property
    def sign(self) -> Sign:
        """Of the second against the first; "none" where the interval covers 0."""
        return "none" if self.low <= 0 <= self.high else "higher" if self.low > 0 else "lower"


def split_difference(first: Sequence[float], second: Sequence[float]) -> SplitDifference:
    """first, second [k]: the same statistic of two sets on the same k splits, in the same order.

    Each split's value carries the luck of its photographs; it is the same on both sides and goes out with the
    difference. Splits are halves of one pool, so that their standard deviation is about the error of the pool's own
    difference (half-samples: McCarthy 1969), and not that of a mean over splits, which share images.
    """
    assert len(first) == len(second) >= LEAST_SPLITS, "as many splits on both sides, and enough"
    differences = np.subtract(second, first)
    mean, margin = float(differences.mean()), WIDTH * float(differences.std(ddof=1))
    return SplitDifference(mean, mean - margin, mean + margin, len(differences))


def measured_difference(paired: PairedValue) -> SplitDifference:
    """As the sweep of `woundgen compare` measured it on sets of the same seeds."""
    return SplitDifference(paired.value, paired.low, paired.high, 0, paired.interval, paired.p)


def why_not_paired(first: StoredValue, second: StoredValue, *, same_real_set: bool) -> str:
    """Why the two numbers have no paired difference; "" where they do."""
    if not same_real_set:
        return "measured against different real sets"
    if first.version != second.version:
        return f"measured by versions {first.version} and {second.version} of the metric"
    if first.value.n != second.value.n:
        return f"taken at different n: {_n(first)} and {_n(second)}"
    if not first.splits or not second.splits:
        return "no values per split are stored"
    if len(first.splits) != len(second.splits):
        return f"taken over {len(first.splits)} and {len(second.splits)} splits"
    if len(first.splits) < LEAST_SPLITS:
        return f"taken over {len(first.splits)} splits, too few"
    return ""


def _n(stored: StoredValue) -> str:
    left, right = stored.value.n
    return str(left) if left == right else f"{left} against {right}"


def verdict(difference: SplitDifference, *, metric: str, n: tuple[int, int]) -> str:
    """Of the second against the first, in words, for a reader who looks at nothing else. n: images, photographs."""
    if min(n) < FEWEST:
        return f"n = {min(n)} is too small for a verdict ({FEWEST} needed)"
    better: Direction = METRICS[metric].better
    if difference.sign == "none":
        return NO_DIFFERENCE
    if better == "none":
        return difference.sign
    return "better" if difference.sign == better else "worse"
