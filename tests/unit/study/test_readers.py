"""Pooled intervals against published analyses of the data of Van Dyke et al. (1993), and against algebra."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

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


def test_one_reader_has_the_binomial_variance() -> None:
    """The jackknife variance of a mean is s^2 / n: 0.25 n / (n - 1) / n at one half."""
    calls = np.array([[1.0, 0.0] * 20 + [0.0] * 40])
    cases = Cases(np.repeat([True, False], 40), np.arange(80))
    alone = analyse_reader(merit.share(calls, cases, synthetic=True), 0)
    assert alone is not None
    # 80 groups are left out in turn, half of which change nothing: (G - 1) / G in place of (n - 1) / n.
    assert alone.variance == pytest.approx(0.25 / 39 * (79 / 80) / (39 / 40), rel=1e-6)
    assert alone.readers == 1


def test_degrees_of_a_share_count_the_cases_in() -> None:
    """Satterthwaite (1946) by hand: V^2 / ((MS(R) / J)^2 / (J - 1) + var(Cov2) / 2), pair by pair of readers."""
    rng = np.random.default_rng(5)
    cases = Cases(np.repeat([True, False], 30), np.arange(60))
    latent = rng.normal(0, 1, (3, 60)) + 0.8 * rng.normal(0, 1, 60)
    figure = merit.sensitivity((latent > -0.3).astype(float), cases)
    found = pool(figure)
    apart = figure.left_out - figure.left_out.mean(axis=1, keepdims=True)
    pairs = [59 * apart[a] * apart[b] for a in range(3) for b in range(3) if a != b]
    added = np.mean(pairs, axis=0)
    assert added.mean() == pytest.approx(found.covariance)  # so its spread over cases is that of Cov2
    assert found.between is not None
    expected = found.variance**2 / ((found.between / 3) ** 2 / 2 + added.var(ddof=1) / 60 / 2)
    assert found.share_degrees == pytest.approx(expected)
    assert 2 < expected < found.degrees


def test_degrees_of_a_share_are_never_fewer_than_readers_give() -> None:
    rng = np.random.default_rng(6)
    cases = Cases(np.repeat([True, False], 30), np.arange(60))
    for _ in range(50):
        latent = rng.normal(0, 1, (3, 60)) + 0.4 * rng.normal(0, 1, 60)
        found = pool(merit.accuracy((latent > 0).astype(float), cases))
        assert found.share_degrees is not None
        assert 2 <= found.share_degrees <= found.degrees


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


def test_groups_are_numbered_by_name() -> None:
    assert number_groups(["b", "a", "b"]).tolist() == [1, 0, 1]
