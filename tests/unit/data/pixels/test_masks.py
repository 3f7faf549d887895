"""Where the wound is, as weights of the loss: by hand, and moved as the photograph's variations are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.data.pixels.augment import mask_variations, variations
from woundgen.data.pixels.masks import region_weights, wound_masks
from woundgen.data.pixels.prepare import prepare
from woundgen.errors import UserError
from woundgen.records import Box, Photo


def test_weights_by_hand() -> None:
    """A quarter inside at weight 5: mean (5 + 3) / 4 = 2, so 2.5 inside and 0.5 outside; and of mean 1."""
    mask = np.zeros((1, 8, 8), np.float32)
    mask[:, :4, :4] = 1
    found = region_weights(mask, weight=5.0, side=2)
    np.testing.assert_allclose(found, [[[2.5, 0.5], [0.5, 0.5]]])
    np.testing.assert_allclose(region_weights(np.ones((1, 8, 8), np.float32), weight=5.0, side=2), 1)


def test_a_mask_lies_on_the_wound(tmp_path: Path) -> None:
    """A red box on grey: the mask covers the prepared pixels that are red, to a pixel's edge."""
    pixels = np.full((60, 80, 3), 128, np.uint8)
    pixels[20:44, 30:50] = (250, 20, 20)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo = Photo(path=str(tmp_path / "a.png"), phase="I", box=Box(30, 20, 50, 44))
    red = prepare(photo, resolution=32, margin=0.25, roots=[tmp_path])[..., 0] > 200
    (mask,) = wound_masks([photo], resolution=32, margin=0.25, roots=[tmp_path])
    assert 0.2 < mask.mean() < 0.8
    assert np.abs(red - mask).mean() < 0.05
    assert wound_masks([Photo(path=photo.path, phase="I")], resolution=32, margin=0.25, roots=[tmp_path]).min() == 1


def test_a_mask_from_a_file_is_framed_as_the_photograph(tmp_path: Path) -> None:
    """A red disc on grey, and its mask of 0 and 1 under the photograph's name: the prepared red is what is marked."""
    y, x = np.mgrid[:60, :80]
    disc = (x - 44) ** 2 + (y - 31) ** 2 < 12**2
    (tmp_path / "I").mkdir()
    Image.fromarray(np.where(disc[..., None], (250, 20, 20), 128).astype(np.uint8)).save(tmp_path / "I" / "a.bmp")
    masks = tmp_path / "masks"
    (masks / "I").mkdir(parents=True)
    Image.fromarray(disc.astype(np.uint8)).save(masks / "I" / "a.png")
    photo = Photo(path=str(tmp_path / "I" / "a.bmp"), phase="I", box=Box(28, 16, 60, 48))
    red = prepare(photo, resolution=32, margin=0.25, roots=[tmp_path])[..., 0] > 190
    (mask,) = wound_masks([photo], resolution=32, margin=0.25, roots=[tmp_path], folder=masks)
    assert mask.mean() == pytest.approx(np.pi * 12**2 / 48**2, rel=0.05), "the disc in a square of 48, not its box"
    assert np.abs(red - mask).mean() < 0.05


def test_masks_that_cannot_be_used_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    photos = []
    for name in ("a", "b"):
        Image.new("RGB", (40, 30), (90, 40, 40)).save(tmp_path / f"{name}.png")
        photos.append(Photo(path=str(tmp_path / f"{name}.png"), phase="I"))
    Image.new("L", (30, 30), 255).save(tmp_path / "masks" / "a.png")
    with pytest.raises(UserError, match=r"(?s)2 problems.*30x30 pixels, its photograph 40x30.*b\.png does not exist"):
        wound_masks(photos, resolution=16, margin=0.25, roots=[tmp_path], folder=tmp_path / "masks")


def test_masks_move_with_their_images() -> None:
    """Mirrored, turned and scaled alike; colour changes leave a mask alone."""
    mask = np.zeros((2, 48, 48), np.float32)
    mask[0, 8:24, 6:20] = 1
    mask[1, 20:40, 25:44] = 1
    images = (np.repeat(mask[..., None], 3, axis=-1) * 200 + 20).astype(np.uint8)
    masks = mask_variations(mask, count=6, seed=3)
    for image, one in zip(
        variations(images, count=6, seed=3).reshape(-1, 48, 48, 3), masks.reshape(-1, 48, 48), strict=True
    ):
        middle = (int(image.max()) + int(image.min())) / 2
        assert np.abs((image[..., 0] > middle) - one).mean() < 0.02


@pytest.mark.parametrize("count", [1, 3])
def test_a_mask_of_ones_stays_one(count: int) -> None:
    assert mask_variations(np.ones((1, 16, 16), np.float32), count=count, seed=0).min() > 0.999
