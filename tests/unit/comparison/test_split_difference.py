"""Paired differences: against numpy's quantiles, and by algebra."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.comparison.split_difference import NO_DIFFERENCE, WIDTH, split_difference, verdict, why_not_paired
from woundgen.metrics.frechet import frechet_distance
from woundgen.records import MetricValue
from woundgen.reporting.stored_metrics import StoredValue

N = (100, 100)


def stored(n: int = 100, splits: int = 20, version: int = 1) -> StoredValue:
    number = MetricValue("fd", 1.0, None, None, "spread", (n, n), "embedded", "ab")
    return StoredValue(number, version, (1.0,) * splits)


def test_luck_that_both_share_drops_out() -> None:
    luck = np.random.default_rng(0).normal(0, 100, 20)
    found = split_difference(5 + luck, 3 + luck)
    np.testing.assert_allclose([found.mean, found.low, found.high], -2)
    assert found.sign == "lower"


def test_interval_is_the_mean_and_the_splits_deviation() -> None:
    values = np.arange(21.0)
    found = split_difference(np.zeros(21), values)
    margin = WIDTH * values.std(ddof=1)
    assert (found.mean, found.low, found.high, found.splits) == pytest.approx((10.0, 10 - margin, 10 + margin, 21))


def test_no_difference_is_said_where_the_interval_covers_zero() -> None:
    found = split_difference(np.zeros(20), np.tile([-1.0, 1.0], 10))
    assert verdict(found, metric="fd", n=N) == NO_DIFFERENCE == "no difference shown"


@pytest.mark.parametrize(
    ("metric", "shift", "word"),
    [("fd", -1.0, "better"), ("fd", 1.0, "worse"), ("recall", 1.0, "better"), ("ssim", 1.0, "higher")],
)
def test_the_word_follows_the_direction_of_the_metric(metric: str, shift: float, word: str) -> None:
    assert verdict(split_difference(np.zeros(5), np.full(5, shift)), metric=metric, n=N) == word


def test_few_images_get_no_verdict() -> None:
    found = split_difference(np.zeros(5), np.full(5, 9.0))
    assert verdict(found, metric="fd", n=(100, 4)) == "n = 4 is too small for a verdict (20 needed)"


DRAWS = {
    "normal": lambda rng, n: rng.standard_normal((n, 8)),
    "heavy-tailed": lambda rng, n: rng.standard_t(3, (n, 8)),
    "skewed": lambda rng, n: rng.exponential(size=(n, 8)),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_false_alarms_between_sets_of_one_distribution(kind: str) -> None:
    """FD of two sets of 100 to the same 100 photographs, over 20 halvings as `evaluate` takes them."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(150):
        first, second, real = (DRAWS[kind](rng, 100) for _ in range(3))
        halves = [(rng.permutation(100)[:50], rng.permutation(100)[:50]) for _ in range(20)]
        values = [[frechet_distance(one[a], real[b]) for a, b in halves] for one in (first, second)]
        alarms += split_difference(*values).sign != "none"
    assert alarms / 150 <= 0.06


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
