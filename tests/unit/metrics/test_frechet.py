"""Frechet distance against scipy's matrix square root and in closed form."""

import numpy as np
import pytest
from scipy.fft import dct
from scipy.linalg import sqrtm

from woundgen.metrics.frechet import frechet_distance


def samples(n: int, m: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((d, d)) / np.sqrt(d)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) @ mixing + 0.3


def by_matrix_root(x: np.ndarray, y: np.ndarray) -> float:
    """pytorch-fid's calculate_frechet_distance, with a ridge as there where a covariance is singular."""
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    ridge = 1e-12 * np.eye(len(first)) if min(len(x), len(y)) <= x.shape[1] else 0.0
    root = sqrtm((first + ridge) @ (second + ridge))
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 300, 24), (30, 40, 48), (30, 200, 48), (49, 49, 48)])
def test_equals_the_matrix_root(n, m, d):
    x, y = samples(n, m, d)
    assert frechet_distance(x, y) == pytest.approx(by_matrix_root(x, y), rel=1e-6)


@pytest.mark.slow
def test_unit_shift_of_identity_covariance_in_2048_dimensions():
    """pytorch-fid's own test: means 0 and 1, covariance I. These 2049 rows have exactly that covariance."""
    d = 2048
    waves = dct(np.eye(d + 1), norm="ortho", axis=0)[1:]  # orthonormal, and each sums to 0
    x = np.sqrt(d) * waves.T
    assert frechet_distance(x, x + 1) == pytest.approx(2048, rel=1e-12)


def test_unit_shift_with_fewer_images_than_dimensions():
    x = np.random.default_rng(0).standard_normal((100, 2048))
    assert frechet_distance(x, x + 1) == pytest.approx(2048, rel=1e-12)


def test_known_variances():
    """One dimension: (mean difference)^2 + (sd difference)^2, sd with ddof 1."""
    x, y = np.array([[-1.0], [1.0]]), np.array([[2.0], [8.0]])
    assert frechet_distance(x, y) == pytest.approx(5**2 + (np.sqrt(18) - np.sqrt(2)) ** 2)


@pytest.mark.parametrize("n", [20, 100])
def test_symmetric_unmoved_by_rotation_and_zero_for_the_same_set(n):
    x, y = samples(n, n, 32)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((32, 32)))
    value = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(x @ rotation + 5, y @ rotation + 5) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-10)


def test_float32_features_are_measured_in_float64():
    x, y = (a.astype(np.float32) for a in samples(40, 40, 64))
    assert frechet_distance(x, y) == frechet_distance(x.astype(np.float64), y.astype(np.float64))
