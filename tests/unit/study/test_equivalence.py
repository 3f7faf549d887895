"""Two one-sided tests, against textbook cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from woundgen.study.equivalence import assess_equivalence
from woundgen.study.readers import Pooled


def test_two_one_sided_tests_by_hand() -> None:
    """0.53 with a standard error of 0.03 on 20 degrees: t = (0.60 - 0.53) / 0.03 on the nearer side."""
    found = assess_equivalence(Pooled(0.53, 0.0009, 20, 5, 60), margin=0.1)
    assert found.p == pytest.approx(t.sf(0.07 / 0.03, 20))
    assert found.claimed


def test_claimed_exactly_where_the_90_percent_interval_lies_inside() -> None:
    for value in np.linspace(0.38, 0.62, 49):
        found = assess_equivalence(Pooled(float(value), 0.0009, 20, 5, 60), margin=0.1)
        assert found.claimed is (found.low > 0.4 and found.high < 0.6)


def test_nothing_that_varied_claims_nothing() -> None:
    assert not assess_equivalence(Pooled(0.5, 0.0, 20, 5, 60), margin=0.1).claimed
    assert assess_equivalence(Pooled(0.5, 0.0, 20, 5, 60), margin=0.1, smallest_variance=1e-4).claimed
