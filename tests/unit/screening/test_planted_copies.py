"""Planted copies are what their names say: against numpy, Pillow and algebra."""

import io

import numpy as np
from PIL import Image

from woundgen.data.pixels.augment import variations

from ...planted_copies import CHANGES, ZOOM, kinds, plant

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def one(name: str) -> np.ndarray:
    return plant(IMAGES, kinds()[name])


def test_every_kind_and_every_pair_is_there():
    assert len(kinds()) == 1 + 5 + 10  # none, one, two of five
    assert [changes for changes in kinds().values() if len(changes) == 2] == [
        (a, b) for i, a in enumerate(CHANGES.values()) for b in list(CHANGES.values())[i + 1 :]
    ]


def test_identity_mirror_and_shift():
    np.testing.assert_array_equal(one("identity"), IMAGES)
    np.testing.assert_array_equal(one("mirror"), np.flip(IMAGES, axis=2))
    np.testing.assert_array_equal(one("shift of 2")[:, 2:, 2:], IMAGES[:, :-2, :-2])
    np.testing.assert_array_equal(one("mirror, shift of 2")[:, 2:, 2:], np.flip(IMAGES, axis=2)[:, :-2, :-2])


def test_zoom_keeps_the_middle_and_stretches_a_ramp():
    """A linear picture stays linear, its slope divided by the zoom."""
    ramp = np.tile(np.arange(33, dtype=np.uint8)[None, None, :, None] * 4, (1, 33, 1, 3))
    zoomed = plant(ramp, kinds()["zoom 1.05"]).astype(float)
    expected = 64 + (np.arange(33) - 16) * 4 / ZOOM
    np.testing.assert_allclose(zoomed[0, :, :, 0], np.tile(expected, (33, 1)), atol=0.51)


def test_compression_is_pillows():
    file = io.BytesIO()
    Image.fromarray(IMAGES[1]).save(file, "JPEG", quality=30)
    np.testing.assert_array_equal(one("JPEG 30")[1], np.asarray(Image.open(file)))


def test_augmentation_is_trainings():
    """Of the same family as data.augment: turned within its bounds, so neither equal nor far."""
    found = one("training augmentation")
    again = variations(IMAGES, count=3, seed=1)[:, 2]
    assert found.shape == again.shape
    assert (found != IMAGES).mean() > 0.5
    assert not np.array_equal(found[0], plant(IMAGES[[0, 0]], kinds()["training augmentation"])[1]), "each its own"
