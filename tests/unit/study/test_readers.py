"""Pooled intervals against published analyses of the data of Van Dyke et al. (1993), and against algebra."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from woundgen.study import merit
from woundgen.study.merit import Cases
from woundgen.study.readers import Pooled, analyse_reader, jackknife_covariance, number_groups, pool

VANDYKE = runpy.run_path(str(Path(__file__).with_name("vandyke.py")))
TRUTH = VANDYKE["TRUTH"]
CASES = Cases(TRUTH, np.arange(114))

# MRMCaov 0.3.0 (Smith & Hillis), "95% treatment empirical_auc CIs (each analysis based only on data for the specified
# treatment)": Estimate, MS(R), Cov2, StdErr, df, CI.Lower, CI.Upper. The OR-DBM program of the University of Iowa gives
# the same reader values and Cov2.
PUBLISHED = {
    1: (0.8970370, 0.003082629, 0.0004839618, 0.03317360, 12.74465, 0.8252236, 0.9688505),
    2: (0.9408374, 0.001304602, 0.0002041879, 0.02156637, 12.71019, 0.8941378, 0.9875369),
}
READER_AREAS = {
    1: (0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066),
    2: (0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169),
}
# OR-DBM MRMC 2.51: Var(Error) of modality 1.
VAR_ERROR = 0.00101410


@pytest.mark.parametrize("modality", [1, 2])
def test_pooled_area_is_as_published(modality: int) -> None:
    area = merit.auc(VANDYKE["ratings"](modality), CASES)
    pooled = pool(area)
    assert area.value == pytest.approx(READER_AREAS[modality], abs=5e-9)
    found = (pooled.value, pooled.between, pooled.covariance, pooled.error, pooled.degrees, *pooled.bounds())
    assert found == pytest.approx(PUBLISHED[modality], rel=2e-6)


def test_error_variance_is_as_published() -> None:
    area = merit.auc(VANDYKE["ratings"](1), CASES)
    assert np.trace(jackknife_covariance(area.left_out)) / 5 == pytest.approx(VAR_ERROR, abs=5e-9)


def test_area_without_a_case_is_the_area_of_the_rest() -> None:
    ratings = VANDYKE["ratings"](2)
    area = merit.auc(ratings, CASES)
    for case in (0, 30, 68, 69, 113):
        rest = np.delete(np.arange(114), case)
        expected = [roc_auc_score(TRUTH[rest], row[rest]) for row in ratings]
        assert area.left_out[:, case] == pytest.approx(expected, abs=1e-12)


def test_groups_are_left_out_whole() -> None:
    """Two photographs of a patient go together; against the values recomputed without them."""
    rng = np.random.default_rng(3)
    synthetic = np.repeat([True, False], [8, 12])
    groups = np.array([*range(8), 8, 8, 9, 9, 9, 10, 11, 12, 13, 14, 15, 15])
    cases, calls = Cases(synthetic, groups), (rng.random((3, 20)) < 0.5).astype(float)
    accurate = merit.accuracy(calls, cases)
    for group in range(16):
        rest = groups != group
        own = (calls[:, rest & synthetic].mean(axis=1) + 1 - calls[:, rest & ~synthetic].mean(axis=1)) / 2
        assert accurate.left_out[:, group] == pytest.approx(own)


def test_missing_answers_count_for_nobody() -> None:
    calls = np.array([[1, 1, 0, np.nan, 0, 0, 1, 0.0], [1, 0, 1, 1, 0, np.nan, 0, 0]])
    cases = Cases(np.repeat([True, False], 4), np.arange(8))
    assert merit.sensitivity(calls, cases).value == pytest.approx([2 / 3, 3 / 4])
    assert merit.specificity(calls, cases).value == pytest.approx([3 / 4, 1])
    assert merit.accuracy(calls, cases).answered.tolist() == [7, 7]


def test_area_with_missing_ratings_is_that_of_the_others() -> None:
    ratings = VANDYKE["ratings"](1)[:1].copy()
    ratings[0, [3, 77]] = np.nan
    there = np.isfinite(ratings[0])
    assert merit.auc(ratings, CASES).value[0] == pytest.approx(roc_auc_score(TRUTH[there], ratings[0, there]))


def test_area_by_ranks() -> None:
    """Mann & Whitney (1947): the area is the rank sum of one side, shifted and scaled."""
    ratings = VANDYKE["ratings"](2)
    ranks = rankdata(ratings, axis=1)
    n, m = TRUTH.sum(), (~TRUTH).sum()
    assert merit.auc(ratings, CASES).value == pytest.approx((ranks[:, TRUTH].sum(axis=1) - n * (n + 1) / 2) / (n * m))


def test_d_prime_with_the_log_linear_correction() -> None:
    """Hautus (1995): (hits + 0.5) / (n + 1). 20 and 10 of 25: z(20.5 / 26) - z(10.5 / 26) = 0.8011 + 0.2434."""
    calls = np.array([[1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15])
    cases = Cases(np.repeat([True, False], 25), np.arange(50))
    found = merit.d_prime(calls, cases).value[0]
    assert found == pytest.approx(0.8011 + 0.2434, abs=2e-4)


def test_one_reader_has_the_binomial_variance() -> None:
    """The jackknife variance of a mean is s^2 / n: 0.25 n / (n - 1) / n at one half."""
    calls = np.array([[1.0, 0.0] * 20 + [0.0] * 40])
    cases = Cases(np.repeat([True, False], 40), np.arange(80))
    alone = analyse_reader(merit.share(calls, cases, synthetic=True), 0)
    assert alone is not None
    # 80 groups are left out in turn, half of which change nothing: (G - 1) / G in place of (n - 1) / n.
    assert alone.variance == pytest.approx(0.25 / 39 * (79 / 80) / (39 / 40), rel=1e-6)
    assert alone.readers == 1


def test_interval_of_a_share_is_wilsons() -> None:
    """Wilson (1927), 45 of 60 with the normal quantile: 0.6276 to 0.8423."""
    pooled = Pooled(0.75, 0.75 * 0.25 / 60, 1e9, 1, 60)
    assert pooled.bounds_of_share() == pytest.approx((0.6276, 0.8423), abs=1e-3)


def test_perfect_readers_are_not_certain() -> None:
    calls = np.tile(np.repeat([1.0, 0.0], 30), (3, 1))
    cases = Cases(np.repeat([True, False], 30), np.arange(60))
    low, high = pool(merit.accuracy(calls, cases)).bounds_of_share()
    assert high == 1
    assert low == pytest.approx(1 / (1 + 2.001**2 / 60), abs=1e-3)


def test_more_spread_between_readers_widens_the_interval() -> None:
    cases = Cases(np.repeat([True, False], 30), np.arange(60))
    right = np.repeat([1.0, 0.0], 30)
    even, uneven = np.tile(right, (4, 1)), np.tile(right, (4, 1))
    for row in range(4):
        even[row, row * 3 : row * 3 + 6] = 0
        uneven[row, row * 3 : row * 3 + 4 * row] = 0
    widths = [np.ptp(pool(merit.sensitivity(calls, cases)).bounds()) for calls in (even, uneven)]
    assert widths[1] > 2 * widths[0]


def test_a_group_on_two_sides_is_refused() -> None:
    with pytest.raises(AssertionError, match="one side"):
        Cases(np.array([True, False]), np.array([0, 0]))


def test_groups_are_numbered_by_name() -> None:
    assert number_groups(["b", "a", "b"]).tolist() == [1, 0, 1]
