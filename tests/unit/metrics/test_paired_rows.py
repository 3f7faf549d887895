"""Paired differences as rows: they are those of paired.py, with everything a number has to carry."""

import numpy as np
import pytest
from scipy.stats import t

from woundgen.errors import UserError
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.paired_rows import pair_scores, pair_sets
from woundgen.metrics.rows import Network

NETWORK = Network("embedded", "abc")


def features(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 6)) + shift


def test_sets() -> None:
    candidate, reference, real = features(40, 0), features(40, 0) + 1.0, features(40, 1)
    fd, kid = pair_sets(candidate, reference, real, network=NETWORK)
    assert (fd.metric, kid.metric, fd.n, fd.network, fd.digest) == ("fd", "kid", (40, 40), "embedded", "abc")
    for row, statistic in ((fd, frechet_distance), (kid, kernel_distance)):
        assert row.value == pytest.approx(statistic(candidate, real) - statistic(reference, real))
        assert row.low < row.value < row.high < 0  # nearer by far
        assert row.p < 1e-3
        assert (row.candidate, row.reference) == (statistic(candidate, real), statistic(reference, real))
        assert row.candidate - row.reference == pytest.approx(row.value, abs=1e-12)
        assert "over seeds and photographs" in row.interval
    assert pair_sets(candidate, reference, real, network=Network("inception", "d"))[0].metric == "fid"


def test_a_set_does_not_differ_from_itself() -> None:
    one, real = features(20, 0), features(20, 1)
    for row in pair_sets(one, one.copy(), real, network=NETWORK):
        assert (row.value, row.p) == (0, 1)
        assert row.low <= 0 <= row.high


def test_scores_vary_over_seeds_and_over_photographs() -> None:
    """s^2 = that of the rows' mean + that of the columns' mean, degrees of freedom by Satterthwaite (1946)."""
    rng = np.random.default_rng(2)
    candidate, reference = rng.random((20, 9)), rng.random((20, 9))
    found = pair_scores("ssim", candidate, reference)
    differences = candidate - reference
    parts = [(differences.mean(axis=axis).var(ddof=1) / n, n - 1) for axis, n in ((1, 20), (0, 9))]
    variance = sum(part for part, _ in parts)
    degrees = variance**2 / sum(part**2 / spare for part, spare in parts)
    margin = t.ppf(0.975, degrees) * np.sqrt(variance)
    assert found.value == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx((found.value - margin, found.value + margin), rel=1e-9)
    assert (found.metric, found.n, found.network) == ("ssim", (20, 9), None)
    assert found.interval.endswith("over seeds and photographs")


def test_photographs_of_one_patient_are_one() -> None:
    """Three photographs of each patient, copies of one another: as if each were there once."""
    rng = np.random.default_rng(3)
    candidate, reference = rng.random((30, 6)), rng.random((30, 6))
    once = pair_scores("ssim", candidate, reference)
    patients = np.repeat(np.arange(6), 3).tolist()
    thrice = pair_scores("ssim", np.repeat(candidate, 3, axis=1), np.repeat(reference, 3, axis=1), real_groups=patients)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


@pytest.mark.slow
def test_interval_of_scores_covers_other_photographs_too() -> None:
    """Truth 0: what a photograph adds to the difference, and what a seed adds, have mean 0; 600 sets."""
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(600):
        rows, columns, rest = rng.standard_normal((30, 1)), rng.standard_normal((1, 40)), rng.standard_normal((30, 40))
        found = pair_scores("ssim", rows + 0.5 * columns + 0.5 * rest, np.zeros((30, 40)))
        hits.append(found.low <= 0 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)


def test_other_seeds_are_refused() -> None:
    with pytest.raises(UserError, match="not the same seeds"):
        pair_sets(features(20, 0), features(21, 0), features(20, 1), network=NETWORK)
    with pytest.raises(UserError, match="not the same seeds"):
        pair_scores("ssim", np.ones((3, 4)), np.ones((2, 4)))
