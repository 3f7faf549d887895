"""Intervals against scipy and algebra; their coverage in simulation."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t, ttest_1samp

from woundgen.metrics.intervals import (
    Jackknife,
    binomial_bounds,
    mean_interval,
    own_pair_mean_interval,
    pair_mean_interval,
)


def test_ungrouped_mean_has_students_interval():
    values = np.random.default_rng(0).gamma(2.0, size=25)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    found = mean_interval(values, level=0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-10)
    assert found.text == "90% delete-one jackknife"


def test_groups_of_equal_size_have_students_interval_of_their_means():
    values = np.random.default_rng(1).standard_normal((8, 5))
    expected = ttest_1samp(values.mean(axis=1), 0).confidence_interval(0.95)
    found = mean_interval(values.ravel(), groups=np.repeat(np.arange(8), 5).tolist())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-10)


def test_unequal_groups_follow_busing():
    """Busing et al. 1999, eq. 4, term by term."""
    sizes, left_out, value = np.array([1, 2, 5]), np.array([2.0, 2.5, 1.0]), 2.2
    n, g = 8, 3
    centre = g * value - sum((1 - m / n) * o for m, o in zip(sizes, left_out, strict=True))
    pseudo = n / sizes * value - (n / sizes - 1) * left_out
    terms = (pseudo - centre) ** 2 / (n / sizes - 1)
    assert Jackknife(left_out, sizes).variance(value) == pytest.approx(sum(terms) / g)


def test_mean_over_pairs_of_an_additive_matrix():
    """matrix = a_i + b_j: its mean has the variance var(a)/n + var(b)/m, as a difference of means (Welch)."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal(12), rng.standard_normal(9)
    found = pair_mean_interval(a[:, None] + b, level=0.5)
    parts = np.array([a.var(ddof=1) / 12, b.var(ddof=1) / 9])
    degrees = parts.sum() ** 2 / (parts[0] ** 2 / 11 + parts[1] ** 2 / 8)
    assert found.value == pytest.approx(a.mean() + b.mean())
    assert found.high - found.value == pytest.approx(t.ppf(0.75, degrees) * np.sqrt(parts.sum()), rel=1e-9)


def test_own_pairs_leave_out_own_group():
    matrix = np.array([[1, 9, 2, 3], [9, 1, 4, 5], [2, 4, 1, 6], [3, 5, 6, 1]], float)
    found = own_pair_mean_interval(matrix, groups=["a", "a", "b", None])
    assert found.value == pytest.approx((2 + 3 + 4 + 5 + 6) / 5)
    without = np.array([6.0, (3 + 5) / 2, (2 + 4) / 2])  # without a, b and the unknown patient
    expected = Jackknife(without, np.array([2, 1, 1])).variance(4.0)
    assert found.high - 4.0 == pytest.approx(t.ppf(0.975, 2) * np.sqrt(expected))


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (3, 10), (10, 10), (97, 200)])
def test_binomial_bounds_equal_scipys_exact_ones(successes, count):
    expected = binomtest(successes, count).proportion_ci(0.95, method="exact")
    assert binomial_bounds(successes, count) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("proportion", [0.01, 0.1, 0.37, 0.5])
def test_binomial_bounds_cover_at_least_nominally(proportion):
    """Exact, not simulated: the probability of the outcomes whose bounds hold the truth."""
    bounds = [binomial_bounds(successes, 70) for successes in range(71)]
    held = [low <= proportion <= high for low, high in bounds]
    assert binom.pmf(np.arange(71), 70, proportion)[held].sum() >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("photographs", [1, 4])
def test_mean_interval_covers_at_its_rate(photographs):
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(30), photographs).tolist()
    hits = []
    for _ in range(2000):
        own = np.repeat(rng.gamma(4.0, size=30), photographs)
        found = mean_interval(own + rng.standard_normal(len(own)), groups=patients)
        hits.append(found.low <= 4.0 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
def test_mean_over_pairs_covers_at_its_rate():
    """Pairs that share images are dependent. E exp(-(x - y)^2 / 2) = 1/sqrt(3) for standard normal x, y."""
    rng = np.random.default_rng(4)
    to_real, among_real = [], []
    for _ in range(1000):
        x, y = rng.standard_normal(60), rng.standard_normal(40)
        one = pair_mean_interval(np.exp(-((x[:, None] - y) ** 2) / 2))
        to_real.append(one.low <= 3**-0.5 <= one.high)
        two = own_pair_mean_interval(np.exp(-((y[:, None] - y) ** 2) / 2))
        among_real.append(two.low <= 3**-0.5 <= two.high)
    assert np.mean(to_real) == pytest.approx(0.95, abs=0.03)
    assert np.mean(among_real) == pytest.approx(0.95, abs=0.03)
