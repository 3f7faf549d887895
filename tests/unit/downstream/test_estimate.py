"""Errors and joint levels against closed forms, and how often the intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from woundgen.downstream.estimate import Estimate, joint_level, of_counts, of_mean, smallest_shown
from woundgen.downstream.scores import cohen_kappa

RNG = np.random.default_rng(3)


def test_equal_groups_without_spread_over_seeds_have_students_interval_of_their_means() -> None:
    values = RNG.standard_normal((9, 4))
    found = of_mean(np.stack([values.sum(axis=1)] * 2), np.full(9, 4))
    expected = ttest_1samp(values.mean(axis=1), 0).confidence_interval(0.95)
    assert found.bounds() == pytest.approx((expected.low, expected.high))


def test_seeds_alone_have_students_interval_of_their_scores() -> None:
    """Groups that are all alike add nothing."""
    by_seed = RNG.standard_normal(6)
    found = of_mean(np.repeat(by_seed[:, None] * 3, 5, axis=1), np.full(5, 3))
    expected = ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert found.bounds() == pytest.approx((expected.low, expected.high))


def test_counts_leave_whole_groups_out() -> None:
    counts = RNG.integers(1, 5, (2, 6, 3, 3))
    left_out = np.array([cohen_kappa(np.delete(counts, g, axis=1).sum(axis=1)).mean() for g in range(6)])
    found = of_counts(cohen_kappa, counts)
    assert found.value == pytest.approx(cohen_kappa(counts.sum(axis=1)).mean())
    assert (found.by_group**2).sum() == pytest.approx(5 / 6 * ((left_out - left_out.mean()) ** 2).sum())


def test_a_difference_is_paired() -> None:
    """An arm that is the other plus a constant differs by that constant, for certain."""
    sums, sizes = RNG.standard_normal((3, 8)) * 5, np.full(8, 5)
    difference = of_mean(sums + 5 * 0.2, sizes).minus(of_mean(sums, sizes))
    assert difference.value == pytest.approx(0.2)
    assert difference.error == pytest.approx(0, abs=1e-12)


def test_share_of_the_seeds_variance() -> None:
    """3^2 of 3^2 + 4^2."""
    assert Estimate(0.0, np.array([4.0, 0.0]), np.array([0.0, 3.0])).of_seeds == pytest.approx(0.36)
    assert Estimate(0.0, np.zeros(3), np.zeros(2)).of_seeds == 0


def independent(number: int, units: int = 400) -> list[Estimate]:
    """`number` estimates whose parts are orthogonal, so uncorrelated."""
    parts = np.linalg.qr(RNG.standard_normal((units, number)))[0].T
    return [Estimate(0.0, part, np.zeros(2)) for part in parts]


def test_joint_level_of_independent_ones_is_sidaks() -> None:
    """Sidak (1967): 1 - 0.05 = level ** m."""
    assert joint_level(independent(8)) == pytest.approx(0.95 ** (1 / 8), abs=0.001)


def test_joint_level_of_one_thing_said_many_times_is_its_own() -> None:
    assert joint_level(independent(1) * 12) == pytest.approx(0.95, abs=0.003)
    still = Estimate(0.0, np.zeros(5), np.zeros(2))
    assert joint_level([still, still, *independent(1)]) == 0.95


def test_smallest_shown_is_reached_in_80_of_100() -> None:
    """With a known error the interval is clear of 0 in 80 % of draws (normal, 400 units)."""
    one = independent(1)[0]
    shown = smallest_shown(one, level=0.95)
    values = shown + one.error * RNG.standard_normal(40_000)
    margin = t.ppf(0.975, one.degrees) * one.error
    assert np.mean(values - margin > 0) == pytest.approx(0.8, abs=0.01)


def test_interval_covers_crossed_patients_and_seeds() -> None:
    """Mean of patient + seed + both, 20 patients, 5 seeds: at least 93 of 100 at a nominal 95."""
    covered = 0
    for _ in range(600):
        values = RNG.standard_normal((1, 20)) + 0.5 * RNG.standard_normal((5, 1)) + 0.5 * RNG.standard_normal((5, 20))
        low, high = of_mean(values, np.ones(20, int)).bounds()
        covered += low < 0 < high
    assert covered / 600 >= 0.93
