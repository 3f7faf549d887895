"""Layouts correlate where light and dark are the same, whatever the texture; the ceiling follows Gumbel's law."""

import cv2
import numpy as np
import pytest
from scipy.stats import gumbel_r

from woundgen.copies.layout import HIGHEST, LEVEL, LOWEST, correlate_layouts, describe_layout, estimate_layout_ceiling
from woundgen.phantoms import draw_phantoms

PHANTOMS = draw_phantoms(range(12), seed=3).images


def layouts(images) -> np.ndarray:
    return np.stack([describe_layout(image) for image in images])


def test_a_layout_is_a_vector_whose_product_is_pearsons_correlation():
    """Of the two difference-of-Gaussians pictures, by numpy."""
    first, second = layouts(PHANTOMS[:2])
    assert first @ second == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-5)
    assert first @ first == pytest.approx(1.0, abs=1e-5)


def test_light_contrast_colour_and_texture_hardly_count():
    own = layouts(PHANTOMS)
    grain = np.random.default_rng(0).normal(0, 12, PHANTOMS.shape)
    changed = np.clip(0.7 * PHANTOMS[..., ::-1] + 30 + grain, 0, 255).astype(np.uint8)
    alike = correlate_layouts(layouts(changed), own)
    assert alike.argmax(axis=1).tolist() == list(range(12))
    assert np.diag(alike).min() > 0.8


def test_the_mirror_image_is_compared_too_and_other_sizes_are_the_same():
    larger = [cv2.resize(image[:, ::-1], (200, 200), interpolation=cv2.INTER_CUBIC) for image in PHANTOMS]
    alike = correlate_layouts(layouts(larger), layouts(PHANTOMS))
    assert np.diag(alike).min() > 0.97


def test_negatives_are_compared_too():
    alike = correlate_layouts(layouts(255 - PHANTOMS[:, :, ::-1]), layouts(PHANTOMS))
    assert np.diag(alike).min() > 0.99


def test_a_picture_without_contrast_is_like_nothing():
    flat = describe_layout(np.full((128, 128, 3), 90, np.uint8))
    assert correlate_layouts(flat[None], layouts(PHANTOMS)).max() == 0


@pytest.mark.parametrize(("location", "spread"), [(0.44, 0.04), (0.40, 0.05)])
def test_the_ceiling_is_gumbels_quantile_and_a_fifth_of_unrecognised_pairs_does_not_lift_it(location, spread):
    truth = gumbel_r.ppf(LEVEL, location, spread)  # .652, .665: between the limits
    values = gumbel_r.rvs(location, spread, size=4000, random_state=1)
    ceiling = estimate_layout_ceiling(values)
    assert ceiling.value == pytest.approx(truth, abs=0.01)
    assert ceiling.low <= ceiling.value <= ceiling.high
    planted = estimate_layout_ceiling(np.concatenate((values[800:], np.full(800, 0.98))))
    assert planted.fitted == pytest.approx(truth, abs=0.13)  # and then comes HIGHEST
    assert planted.above >= 800


def test_the_ceiling_stays_between_its_limits():
    rng = np.random.default_rng(2)
    assert estimate_layout_ceiling(rng.uniform(0.0, 0.1, 50)).value == LOWEST
    assert estimate_layout_ceiling(rng.uniform(0.6, 0.9, 50)).value == HIGHEST
