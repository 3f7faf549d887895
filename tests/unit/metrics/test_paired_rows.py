"""Paired differences as rows: they are those of paired.py, with everything a number has to carry."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

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
        assert row.p == 1 / 200
        assert "over seeds and photographs" in row.interval
    assert pair_sets(candidate, reference, real, network=Network("inception", "d"))[0].metric == "fid"


def test_a_set_does_not_differ_from_itself() -> None:
    one, real = features(20, 0), features(20, 1)
    for row in pair_sets(one, one.copy(), real, network=NETWORK):
        assert (row.value, row.p) == (0, 1)
        assert row.low <= 0 <= row.high


def test_scores_have_students_interval() -> None:
    rng = np.random.default_rng(2)
    candidate, reference = rng.random((20, 9)), rng.random((20, 9))
    found = pair_scores("ssim", candidate, reference)
    expected = ttest_rel(candidate.mean(axis=1), reference.mean(axis=1)).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.metric, found.n, found.network) == ("ssim", (20, 9), None)


def test_other_seeds_are_refused() -> None:
    with pytest.raises(UserError, match="not the same seeds"):
        pair_sets(features(20, 0), features(21, 0), features(20, 1), network=NETWORK)
    with pytest.raises(UserError, match="not the same seeds"):
        pair_scores("ssim", np.ones((3, 4)), np.ones((2, 4)))
