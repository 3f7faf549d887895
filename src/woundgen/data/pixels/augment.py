"""Training augmentation, computed before encoding so that it works with cached latents.

Every change is bounded so that what tells the phases apart, colour above all, survives: rotation up to 8
degrees, scale up to 5 %, brightness and contrast up to 4 %, no hue shift. Corners opened by a rotation are
filled by reflection, never black.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

MAX_ROTATION = np.deg2rad(8.0)
MAX_SCALE = 0.05
MAX_BRIGHTNESS = 0.04  # of full scale
MAX_CONTRAST = 0.04


def variations(images: NDArray[np.uint8], *, count: int, seed: int) -> NDArray[np.uint8]:
    """uint8 [N, S, S, 3] -> [N, count, S, S, 3]: the image, its mirror, then random changes of either.

    Variation k of image i is a function of (seed, i, k) alone.
    """
    result = np.empty((len(images), count, *images.shape[1:]), np.uint8)
    for row, image in enumerate(images):
        for number in range(count):
            result[row, number] = variation(image, number, np.random.default_rng([seed, row, number]))
    return result


def mask_variations(masks: NDArray[np.float32], *, count: int, seed: int) -> NDArray[np.float32]:
    """[N, S, S] of 0..1 -> [N, count, S, S]: each mask moved as `variations` moves its image."""
    result = np.empty((len(masks), count, *masks.shape[1:]), np.float32)
    for row, mask in enumerate(masks):
        for number in range(count):
            moved = mask[:, ::-1] if number % 2 else mask
            if number >= 2:
                angle, scale = _turned_by(np.random.default_rng([seed, row, number]))
                moved = _turn(moved[..., None], angle=angle, scale=scale)[..., 0]
            result[row, number] = np.clip(moved, 0, 1)
    return result


def variation(image: NDArray[np.uint8], number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One variation of [S, S, 3]; odd numbers are mirrored, 0 and 1 are otherwise unchanged."""
    mirrored = image[:, ::-1] if number % 2 else image
    if number < 2:
        return mirrored
    angle, scale = _turned_by(rng)
    turned = _turn(mirrored, angle=angle, scale=scale)
    contrast = 1 + rng.uniform(-MAX_CONTRAST, MAX_CONTRAST)
    brightness = 255 * rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS)
    middle = turned.mean()
    return np.clip(np.rint((turned - middle) * contrast + middle + brightness), 0, 255).astype(np.uint8)


def _turned_by(rng: np.random.Generator) -> tuple[float, float]:
    """Angle and scale, which are drawn first: a mask's generator gives what its image's gave."""
    return rng.uniform(-MAX_ROTATION, MAX_ROTATION), 1 + rng.uniform(-1, 1) * MAX_SCALE


def _turn(image: NDArray[np.uint8], *, angle: float, scale: float) -> NDArray[np.float32]:
    """Rotate and scale about the centre with cubic interpolation and reflected borders."""
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - matrix @ centre
    channels = [
        affine_transform(image[..., c].astype(np.float32), matrix, offset, order=3, mode="mirror")
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)
