from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from woundgen.study.correlation import rank_correlation


def test_rho_is_scipys_and_missing_pairs_are_left_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = rank_correlation([*x, np.nan], [*y, 1.0])
    assert found is not None
    assert found.rho == pytest.approx(spearmanr(x, y).statistic)
    assert found.n == 40


def test_interval_covers_the_true_correlation() -> None:
    """Bivariate normal with r = 0.5: Spearman's is 6 / pi asin(0.25) = 0.4826 (Kruskal 1958)."""
    rng = np.random.default_rng(1)
    truth, hits = 6 / np.pi * np.arcsin(0.25), 0
    for _ in range(400):
        x = rng.normal(size=40)
        found = rank_correlation(x, 0.5 * x + 0.75**0.5 * rng.normal(size=40))
        assert found is not None
        hits += found.low <= truth <= found.high
    assert hits / 400 >= 0.93


def test_few_pairs_have_no_interval_and_constants_no_correlation() -> None:
    few = rank_correlation([1, 2, 3, 4], [1, 2, 4, 3])
    assert few is not None
    assert few.low is None
    assert rank_correlation([1, 2, 3, 4], [1, 1, 1, 1]) is None
    assert rank_correlation([1, 2], [1, 2]) is None
