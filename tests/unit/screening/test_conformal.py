"""Ranks by algebra; intervals against the binomial distribution; the promise by simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from woundgen.screening.conformal import conformal_bound


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(19, 0.95, 19), (39, 0.95, 38), (85, 0.95, 82), (99, 0.99, 99), (199, 0.99, 198)]
)
def test_rank_is_the_ceiling_of_level_times_n_plus_1(n: int, level: float, rank: int):
    bound = conformal_bound(np.arange(n, 0, -1.0), level=level)
    assert (bound.rank, bound.value, bound.reached) == (rank, rank, True)


def test_too_few_scores_give_the_largest_and_say_so():
    bound = conformal_bound(np.arange(70.0), level=0.99)
    assert bound.value == 69
    assert not bound.reached
    assert bound.promised == pytest.approx(70 / 71)
    assert "promises 98.6%, not the 99.0% asked for (that takes 99)" in bound.statement()
    assert bound.quantile_high is None


def test_coverage_interval_is_exact():
    """The coverage of the k-th of n is p with a tail of P(Binomial(n, p) >= k): 2.5 % at either end."""
    bound = conformal_bound(np.arange(85.0), level=0.95)
    assert binom.sf(bound.rank - 1, 85, bound.coverage_low) == pytest.approx(0.025)
    assert binom.cdf(bound.rank - 1, 85, bound.coverage_high) == pytest.approx(0.025)


def test_quantile_interval_holds_the_quantile_as_often_as_it_says():
    rng = np.random.default_rng(3)
    bounds = [conformal_bound(rng.random(200), level=0.9) for _ in range(1000)]
    held = np.mean([one.quantile_low <= 0.9 <= one.quantile_high for one in bounds])
    assert 0.93 <= held <= 0.99


@pytest.mark.parametrize("n", [40, 85, 170])
def test_a_new_score_is_at_most_the_bound_as_often_as_promised(n: int):
    rng = np.random.default_rng(n)
    shares = [conformal_bound(rng.random(n), level=0.95).value for _ in range(1500)]  # of a uniform: itself
    assert np.mean(shares) == pytest.approx(np.ceil(0.95 * (n + 1)) / (n + 1), abs=0.004)
