"""Inception score at its bounds and against the definition."""

import numpy as np
import pytest
from scipy.stats import entropy

from woundgen.metrics.inception_score import customary_splits, inception_score


def random_probabilities(count: int, classes: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), count)


def test_equals_exp_of_the_mean_divergence():
    probabilities = random_probabilities(100)
    expected = np.exp(np.mean([entropy(p, probabilities.mean(axis=0)) for p in probabilities]))
    assert inception_score(probabilities) == pytest.approx(expected, rel=1e-12)


def test_bounds():
    assert inception_score(np.eye(7)) == pytest.approx(7)
    assert inception_score(np.full((50, 4), 0.25)) == pytest.approx(1)


def test_ten_splits_from_a_thousand_images_on():
    probabilities = random_probabilities(1000)
    assert (customary_splits(999), customary_splits(1000)) == (1, 10)
    expected = np.mean([inception_score(part) for part in np.split(probabilities, 10)])
    assert inception_score(probabilities) == pytest.approx(expected, rel=1e-12)
