"""SSIM against scikit-image, against the definition by brute force, and in closed form."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from woundgen.errors import UserError
from woundgen.similarity import ssim
from woundgen.similarity.ssim import image_moments, pairwise_ssim, ssim_between


def images(count: int, seed: int, height: int = 24, width: int = 31) -> np.ndarray:
    return np.random.default_rng(seed).random((count, height, width, 3))


def brute_force_full(x: np.ndarray, y: np.ndarray) -> float:
    """torchmetrics' convention: reflect by 5, an 11 x 11 window at every pixel, mean of the full map."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    margins = ((5, 5), (5, 5), (0, 0))
    padded_x, padded_y = np.pad(x, margins, mode="reflect"), np.pad(y, margins, mode="reflect")
    values = []
    for i, j, c in np.ndindex(x.shape):
        a, b = padded_x[i : i + 11, j : j + 11, c], padded_y[i : i + 11, j : j + 11, c]
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
        covariance = (window * (a - mean_a) * (b - mean_b)).sum()
        luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
        values.append(luminance * (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4))
    return float(np.mean(values))


def test_valid_equals_scikit_image():
    left, right = images(3, 0), images(2, 1)
    right[1] = np.clip(left[2] + 0.1 * (right[1] - 0.5), 0, 1)  # one pair that is alike
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [[structural_similarity(x, y, channel_axis=-1, data_range=1.0, **settings) for y in right] for x in left]
    np.testing.assert_allclose(pairwise_ssim(left, right, border="valid"), expected, rtol=0, atol=1e-12)


def test_full_equals_the_definition_by_brute_force():
    left, right = images(2, 2, 13, 17), images(2, 3, 13, 17)
    expected = [[brute_force_full(x, y) for y in right] for x in left]
    np.testing.assert_allclose(pairwise_ssim(left, right), expected, rtol=0, atol=1e-12)


def test_full_equals_torchmetrics():
    """Values of torchmetrics 1.9.0 (float64, data_range=1.0), computed outside: it is no dependency of the tests."""
    rng = np.random.default_rng(20251124)
    left, right = rng.random((2, 24, 31, 3)), rng.random((2, 24, 31, 3))
    right[1] = np.clip(left[0] + 0.1 * (right[1] - 0.5), 0, 1)
    expected = [[0.0305909098504603, 0.9949394237268786], [0.019411141947562206, 0.010810725258779831]]
    np.testing.assert_allclose(pairwise_ssim(left, right), expected, rtol=0, atol=1e-12)


def test_uniform_images_have_the_closed_form():
    """Without structure only the luminance term is left (Wang et al. 2004, eq. 6)."""
    a, b = 0.3, 0.8
    value = pairwise_ssim(np.full((1, 16, 16, 3), a), np.full((1, 16, 16, 3), b))[0, 0]
    assert value == pytest.approx((2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4), abs=1e-12)


def test_float32_is_near_float64_even_on_flat_images():
    left = np.concatenate((images(2, 4), 0.01 * images(2, 5) + 0.9))
    np.testing.assert_allclose(
        pairwise_ssim(left, left.copy(), dtype=np.float32),
        pairwise_ssim(left, left.copy()),
        rtol=0,
        atol=1e-4,
    )


def test_blocks_and_symmetry_change_nothing(monkeypatch):
    left = images(5, 6)
    whole = pairwise_ssim(left, left.copy())
    monkeypatch.setattr(ssim, "IMAGES_PER_BLOCK", 2)
    np.testing.assert_allclose(pairwise_ssim(left, left), whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.diag(whole), 1.0, rtol=0, atol=1e-12)


def test_moments_may_be_kept():
    left, right = images(2, 7), images(3, 8)
    kept = image_moments(right)
    np.testing.assert_array_equal(ssim_between(image_moments(left), kept), pairwise_ssim(left, right))


def test_refuses_what_it_cannot_compare():
    with pytest.raises(UserError, match="different shape"):
        pairwise_ssim(images(1, 0, 16, 16), images(1, 0, 16, 18))
    with pytest.raises(UserError, match="at least 11 pixels"):
        pairwise_ssim(images(1, 0, 10, 16), images(1, 0, 10, 16))
