"""Pictures that no rule may accept, and copies as floats, as the tests of this folder handle images."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ...planted_copies import kinds, plant


def copies_of(photographs: np.ndarray) -> dict[str, np.ndarray]:
    """Each kind: float32 like `photographs` [N, S, S, 3] in 0..1, row i a copy of photograph i."""
    pixels = np.rint(255 * photographs).astype(np.uint8)
    return {name: plant(pixels, changes).astype(np.float32) / 255 for name, changes in kinds().items()}


def blurred(images: np.ndarray, *, sigma: float = 2.0) -> np.ndarray:
    return gaussian_filter(images, (0, sigma, sigma, 0))


def pictures_of_nothing(photographs: np.ndarray) -> dict[str, np.ndarray]:
    shape = photographs.shape[1:]
    return {
        "constant grey": np.full((1, *shape), 0.5, np.float32),
        "mean image": photographs.mean(axis=0, keepdims=True),
        "noise": np.random.default_rng(0).random((4, *shape)).astype(np.float32),
        "black": np.zeros((1, *shape), np.float32),
    }
