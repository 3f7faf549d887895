"""Variations of a photograph: reproducible one by one, and bounded so that the colour of a phase survives."""

from __future__ import annotations

import numpy as np

from woundgen.data.pixels.augment import MAX_BRIGHTNESS, variations
from woundgen.phantoms import draw_phantoms


def test_variations() -> None:
    images = draw_phantoms(range(3), seed=5, phases=("I",)).images
    found = variations(images, count=5, seed=7)
    assert found.shape == (3, 5, *images.shape[1:])
    assert (found[:, 0] == images).all()
    assert (found[:, 1] == images[:, :, ::-1]).all()
    assert (variations(images[:2], count=3, seed=7) == found[:2, :3]).all(), "of (seed, i, k) alone"
    assert (variations(images, count=5, seed=8)[:, 2:] != found[:, 2:]).any()


def test_colour_survives_and_no_corner_is_black() -> None:
    """The mean of each channel moves by no more than the brightness may; the hue (differences of channels) hardly."""
    images = draw_phantoms(range(4), seed=6, phases=("R",)).images
    varied = variations(images, count=6, seed=0)[:, 2:]
    before = images.mean((1, 2))[:, None]
    after = varied.mean((2, 3))
    assert np.abs(after - before).max() < 255 * MAX_BRIGHTNESS + 12
    hue = (after - after.mean(-1, keepdims=True)) - (before - before.mean(-1, keepdims=True))
    assert np.abs(hue).max() < 6
    corners = varied[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.5 * images[:, [0, 0, -1, -1], [0, -1, 0, -1]].min() - 5
