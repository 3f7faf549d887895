"""Paired differences: against numpy's quantiles, and by algebra."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.comparison.split_difference import NO_DIFFERENCE, split_difference, verdict, why_not_paired
from woundgen.records import MetricValue
from woundgen.reporting.stored_metrics import StoredValue


def stored(n: int = 100, splits: int = 20, version: int = 1) -> StoredValue:
    number = MetricValue("fd", 1.0, None, None, "spread", (n, n), "embedded", "ab")
    return StoredValue(number, version, (1.0,) * splits)


def test_luck_that_both_share_drops_out() -> None:
    luck = np.random.default_rng(0).normal(0, 100, 20)
    found = split_difference(5 + luck, 3 + luck)
    np.testing.assert_allclose([found.mean, found.low, found.high], -2)
    assert found.sign == "lower"


def test_interval_is_the_5_and_95_percent_of_splits() -> None:
    found = split_difference(np.zeros(21), np.arange(21.0))  # quantiles of 0..20 are 20 q
    assert (found.mean, found.low, found.high, found.splits) == (10.0, 1.0, 19.0, 21)


def test_no_difference_is_said_where_the_interval_covers_zero() -> None:
    found = split_difference(np.zeros(20), np.tile([-1.0, 1.0], 10))
    assert verdict(found, metric="fd") == NO_DIFFERENCE == "no difference shown"


@pytest.mark.parametrize(
    ("metric", "shift", "word"),
    [("fd", -1.0, "better"), ("fd", 1.0, "worse"), ("recall", 1.0, "better"), ("ssim", 1.0, "higher")],
)
def test_the_word_follows_the_direction_of_the_metric(metric: str, shift: float, word: str) -> None:
    assert verdict(split_difference(np.zeros(5), np.full(5, shift)), metric=metric) == word


def test_false_alarms_are_rarer_than_the_interval_says() -> None:
    """Splits without a difference: a single split's 5-95 % band is wider than an interval of the mean."""
    rng = np.random.default_rng(1)
    alarms = sum(split_difference(*rng.normal(size=(2, 20))).sign != "none" for _ in range(400))
    assert alarms <= 4


@pytest.mark.parametrize(
    ("second", "same", "reason"),
    [
        (stored(n=50), True, "different n"),
        (stored(splits=0), True, "no values per split"),
        (stored(splits=10), True, "20 and 10 splits"),
        (stored(version=2), True, "versions 1 and 2"),
        (stored(), False, "different real sets"),
        (stored(), True, ""),
    ],
)
def test_what_cannot_be_paired_says_why(second: StoredValue, same: bool, reason: str) -> None:
    found = why_not_paired(stored(), second, same_real_set=same)
    assert reason in found
    assert bool(reason) == bool(found)
