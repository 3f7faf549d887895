"""Colour against scikit-image, sharpness against the definition."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from woundgen.similarity.colour import COLOUR_STATISTICS, colour_statistics, srgb_to_lab
from woundgen.similarity.sharpness import gradient_energy, laplacian_variance


def test_lab_equals_scikit_image():
    images = np.random.default_rng(0).random((2, 20, 20, 3)) ** 3  # many dark values: both branches
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    np.testing.assert_allclose(srgb_to_lab(images), rgb2lab(images), rtol=0, atol=1e-3)


def test_statistics_tell_centre_from_surround():
    image = np.zeros((1, 16, 16, 3))
    image[0, 4:12, 4:12] = 1.0  # a white wound on black skin: L* is 100 and 0
    found = dict(zip(COLOUR_STATISTICS, colour_statistics(image)[0], strict=True))
    assert found["centre_L_mean"] == pytest.approx(100)
    assert found["centre_L_sd"] == pytest.approx(0, abs=1e-9)
    assert found["whole_L_mean"] == pytest.approx(25)
    assert found["whole_L_sd"] == pytest.approx(100 * np.sqrt(0.25 * 0.75))
    assert (found["whole_L_q10"], found["whole_L_q90"]) == pytest.approx((0, 100), abs=1e-9)


def test_statistics_name_their_channel():
    red = np.broadcast_to([1.0, 0.0, 0.0], (1, 8, 8, 3))
    found = dict(zip(COLOUR_STATISTICS, colour_statistics(red)[0], strict=True))
    lab = rgb2lab(red)[0, 0, 0]
    assert [found[f"whole_{c}_q50"] for c in ("L", "a", "b")] == pytest.approx(list(lab), abs=1e-3)


def test_laplacian_variance_of_a_single_bright_pixel():
    """On 9 x 9: one -4 and four 1 (sum 0), so the variance is (16 + 4) / 81."""
    image = np.zeros((1, 9, 9, 3))
    image[0, 4, 4] = 1.0
    assert laplacian_variance(image)[0] == pytest.approx(20 / 81)


def test_blur_lowers_sharpness():
    sharp = np.random.default_rng(1).random((1, 32, 32, 3))
    blurred = gaussian_filter(sharp, (0, 1, 1, 0))
    assert laplacian_variance(blurred)[0] < 0.1 * laplacian_variance(sharp)[0]


def test_gradient_energy_of_a_ramp():
    """Grey rising by .01 a pixel across and .02 down: .01^2 + .02^2, whatever the size."""
    down, across = np.meshgrid(np.arange(12) * 0.02, np.arange(9) * 0.01, indexing="ij")
    images = np.repeat((down + across)[None, :, :, None], 3, axis=3)
    assert gradient_energy(images)[0] == pytest.approx(0.0005)
