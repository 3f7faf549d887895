"""Against scikit-learn's solution of the same problem, and what "equal parts" means."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from woundgen.downstream.linear import fit_linear

RNG = np.random.default_rng(1)
LABELS = np.repeat([0, 1, 2], [30, 20, 10])
FEATURES = RNG.standard_normal((60, 5)) * [1, 3, 1, 0.2, 1] + LABELS[:, None] * 0.6
TIMES = RNG.integers(1, 4, 60)


def test_many_steps_reach_scikit_learns_minimum() -> None:
    found = fit_linear(FEATURES, LABELS, TIMES, classes=3, steps=4000, penalty=0.1)
    share = TIMES / np.bincount(LABELS, TIMES)[LABELS] / 3
    reference = LogisticRegression(C=1 / 0.1, tol=1e-10, max_iter=10_000)
    reference.fit((FEATURES - found.mean) / found.scale, LABELS, sample_weight=share)
    expected = reference.predict_proba((FEATURES - found.mean) / found.scale)
    assert found.predict(FEATURES) == pytest.approx(expected, abs=1e-5)


def test_the_default_steps_are_enough() -> None:
    usual = fit_linear(FEATURES, LABELS, TIMES, classes=3).predict(FEATURES)
    assert usual == pytest.approx(
        fit_linear(FEATURES, LABELS, TIMES, classes=3, steps=5000).predict(FEATURES), abs=1e-4
    )


def test_a_phase_weighs_the_same_however_often_it_is_listed() -> None:
    """Listing all of phase 0 five times changes nothing; listing one image more often does."""
    once = fit_linear(FEATURES, LABELS, TIMES, classes=3).predict(FEATURES)
    five = fit_linear(FEATURES, LABELS, np.where(LABELS == 0, 5 * TIMES, TIMES), classes=3).predict(FEATURES)
    assert five == pytest.approx(once, abs=1e-12)
    first = fit_linear(FEATURES, LABELS, TIMES + 20 * (np.arange(60) == 0), classes=3).predict(FEATURES)
    assert np.abs(first - once).max() > 0.01
