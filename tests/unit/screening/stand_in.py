"""Fixed features for tests, in place of the trained network that workflows bring: colour and edges on a grid.

Like a network's, they see where things roughly are, are smooth under small shifts, and know left from right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from woundgen.copies.scene import describe_scene
from woundgen.phantoms import draw_phantoms
from woundgen.screening.calibration import Calibration
from woundgen.screening.descriptors import Descriptors
from woundgen.screening.reference_statistics import References
from woundgen.screening.statistics import Statistics
from woundgen.similarity.perceptual import embed

GRID = 8
SIZE = 64


@dataclass(frozen=True)
class Bench:
    """References, photographs of other patients, and what was measured of both."""

    photographs: np.ndarray
    held_out: np.ndarray  # of other patients
    references: References
    own: Statistics
    held_out_statistics: Statistics
    calibration: Calibration


def phantoms(indices: range, *, seed: int = 5, size: int = SIZE) -> np.ndarray:
    """Each of another patient: float32 [N, size, size, 3] in 0..1."""
    return draw_phantoms(indices, seed=seed, size=size).images.astype(np.float32) / 255


def describe(images: np.ndarray, *, perceptual: bool = True) -> Descriptors:
    images = np.asarray(images, np.float32)
    layers, mirrored = _layers(images), _layers(images[:, :, ::-1])
    return Descriptors(
        images=images,
        pooled=_pooled(layers),
        pooled_mirrored=_pooled(mirrored),
        scenes=tuple(describe_scene(image) for image in np.rint(255 * images).astype(np.uint8)),
        perceptual=embed(layers) if perceptual else None,
        perceptual_mirrored=embed(mirrored) if perceptual else None,
    )


def _layers(images: np.ndarray) -> list[np.ndarray]:
    """Two layers [N, C, H, W]: smoothed colour, and oriented edges at two scales, without a sign."""
    side = images.shape[1]
    smooth = gaussian_filter(images, (0, side / 32, side / 32, 0))
    edges = []
    for sigma in (side / 64, side / 32):
        grey = gaussian_filter(images.mean(axis=-1), (0, sigma, sigma))
        down, across = np.gradient(grey, axis=(1, 2))
        edges += [np.maximum(way * sigma, 0) for way in (down, -down, across, -across)]
    colour = np.moveaxis(smooth, -1, 1)
    colour = np.concatenate((colour, 1 - colour, np.full_like(colour[:, :1], 0.2)), axis=1)
    edges.append(np.full_like(edges[0], 0.02))
    step = side // 32
    return [_blocks(layer, step) for layer in (colour, np.stack(edges, axis=1))]


def _blocks(layer: np.ndarray, step: int) -> np.ndarray:
    count, channels, height, width = layer.shape
    return layer.reshape(count, channels, height // step, step, width // step, step).mean(axis=(3, 5))


def _pooled(layers: list[np.ndarray]) -> np.ndarray:
    colour = _blocks(layers[0][:, :3], layers[0].shape[2] // GRID)
    edges = _blocks(layers[1][:, :-1], layers[1].shape[2] // GRID)
    return np.concatenate((colour.reshape(len(colour), -1), 10 * edges.reshape(len(edges), -1)), axis=1)
