"""Keypoints are repeatable, and the mirror image's need no second detection."""

import numpy as np

from woundgen.copies.keypoints import LENGTH, MOST, detect_keypoints, mirror_keypoints
from woundgen.phantoms import draw_phantoms

PHANTOMS = draw_phantoms(range(3), seed=3).images


def test_the_same_pixels_give_the_same_bits():
    first, again = detect_keypoints(PHANTOMS[0]), detect_keypoints(PHANTOMS[0].copy())
    for name in ("places", "scales", "angles", "descriptors"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_places_are_shares_of_the_side_and_descriptors_have_norm_1():
    keypoints = detect_keypoints(PHANTOMS[1])
    assert 30 < len(keypoints) <= MOST + 10  # a place with two directions counts twice, ties are kept
    assert keypoints.places.min() >= 0
    assert keypoints.places.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(keypoints.descriptors, axis=1), 1, atol=1e-5)


def test_mirrored_keypoints_are_those_of_the_mirror_image():
    """Detected anew in the flipped pixels, four in five are found at the same place with the same descriptor."""
    for image in PHANTOMS:
        turned, detected = mirror_keypoints(detect_keypoints(image)), detect_keypoints(image[:, ::-1])
        cosine = turned.descriptors @ detected.descriptors.T
        nearest = cosine.argmax(axis=1)
        apart = np.linalg.norm(turned.places - detected.places[nearest], axis=1)
        assert np.mean((apart < 0.01) & (cosine.max(axis=1) > 0.95)) > 0.8


def test_a_flat_image_has_no_keypoints():
    keypoints = detect_keypoints(np.full((64, 64, 3), 90, np.uint8))
    assert len(keypoints) == 0
    assert keypoints.descriptors.shape == (0, LENGTH)
    assert len(mirror_keypoints(keypoints)) == 0
