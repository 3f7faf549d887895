"""Faults of pictures at graded strengths, with which the shipped feature network is trained to notice them.

A network that only reads what a phantom shows (tissue, colour, light) puts a picture made of 2 x 2 squares below the
floor: nothing asked it to look. Each fault takes float32 [S, S, 3] in 0..255, a strength in 0..1 (0 changes nothing)
and a random generator, and returns the same shape; the input is left alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Picture = NDArray[np.float32]
GradedFault = Callable[[Picture, float, np.random.Generator], Picture]

MESH_GAIN = 1.6
NOISE_DEVIATION = 24.0  # grey levels at strength 1
BLUR_SIGMA = 2.5  # pixels
JPEG_QUALITY = (95, 8)  # at strength 0+ and 1
FINE_SIGMA = 1.5  # pixels: what is finer counts as texture
TEXTURE_CELL = 8


def mosaic(picture: Picture, strength: float, rng: np.random.Generator, *, cell: int) -> Picture:
    """Move towards squares of `cell` pixels of one colour each."""
    side = picture.shape[0] - picture.shape[0] % cell
    squares = picture[:side, :side].reshape(side // cell, cell, side // cell, cell, 3).mean((1, 3), keepdims=True)
    result = picture.copy()
    flat = np.broadcast_to(squares, (side // cell, cell, side // cell, cell, 3)).reshape(side, side, 3)
    result[:side, :side] += strength * (flat - result[:side, :side])
    return result


def mesh(picture: Picture, strength: float, rng: np.random.Generator, *, period: int) -> Picture:
    """Strengthen and weaken fine detail by place in a grid of `period` pixels, as enlarging decoders do."""
    across, down = (np.arange(picture.shape[axis]) % period for axis in (1, 0))
    gains = rng.choice([-1.0, 1.0], (2, period)) if period > 2 else np.array([[1.0, -1.0]] * 2)
    gains = gains - gains.mean(1, keepdims=True)
    pattern = (gains[0][across][None, :] + gains[1][down][:, None])[..., None] / 2
    fine = picture - gaussian_filter(picture, (FINE_SIGMA, FINE_SIGMA, 0))
    additive = 10.0 * pattern * (0.4 + 0.6 * np.minimum(np.abs(fine).mean() / 4.0, 1.0))
    return picture + strength * (MESH_GAIN * pattern * fine + additive).astype(np.float32)


def blur(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Blur by a Gaussian of up to BLUR_SIGMA pixels, its variance in proportion to the strength."""
    sigma = BLUR_SIGMA * strength**0.5
    return gaussian_filter(picture, (sigma, sigma, 0)) if sigma > 0 else picture.copy()


def sharpen(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Exaggerate what is finer than FINE_SIGMA pixels, up to threefold."""
    return picture + 2 * strength * (picture - gaussian_filter(picture, (FINE_SIGMA, FINE_SIGMA, 0)))


def displace_texture(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Replace fine detail by that of other places: the right amount of texture where it does not belong."""
    coarse = gaussian_filter(picture, (FINE_SIGMA, FINE_SIGMA, 0))
    fine, count = picture - coarse, picture.shape[0] // TEXTURE_CELL
    side = count * TEXTURE_CELL
    cells = fine[:side, :side].reshape(count, TEXTURE_CELL, count, TEXTURE_CELL, 3).swapaxes(1, 2)
    cells = cells.reshape(count * count, TEXTURE_CELL, TEXTURE_CELL, 3)[rng.permutation(count * count)]
    moved = fine.copy()
    moved[:side, :side] = (
        cells.reshape(count, count, TEXTURE_CELL, TEXTURE_CELL, 3).swapaxes(1, 2).reshape(side, side, 3)
    )
    return coarse + np.sqrt(1 - strength) * fine + np.sqrt(strength) * moved


def compress(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Store as JPEG and read again, at qualities from 95 down to 8."""
    if strength <= 0:
        return picture.copy()
    best, worst = JPEG_QUALITY
    stored = io.BytesIO()
    quality = round(best + strength * (worst - best))
    Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8)).save(stored, "JPEG", quality=quality)
    return np.asarray(Image.open(stored), np.float32)


def add_noise(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Add white noise of up to NOISE_DEVIATION grey levels."""
    return picture + NOISE_DEVIATION * strength * rng.standard_normal(picture.shape, np.float32)


GRADED_FAULTS: Mapping[str, GradedFault] = {
    "mosaic of 2 pixels": partial(mosaic, cell=2),
    "mosaic of 4 pixels": partial(mosaic, cell=4),
    "mosaic of 8 pixels": partial(mosaic, cell=8),
    "mesh of 2 pixels": partial(mesh, period=2),
    "mesh of 4 pixels": partial(mesh, period=4),
    "mesh of 8 pixels": partial(mesh, period=8),
    "blur": blur,
    "sharpening": sharpen,
    "displaced texture": displace_texture,
    "compression": compress,
    "noise": add_noise,
}


def apply_fault(images: NDArray[np.uint8], name: str, strength: float, *, seed: int = 0) -> NDArray[np.uint8]:
    """Apply one fault to every image [N, S, S, 3]; image i is a function of (image, name, strength, seed, i)."""
    spoiled = [
        GRADED_FAULTS[name](image.astype(np.float32), strength, np.random.default_rng([seed, row]))
        for row, image in enumerate(images)
    ]
    return np.clip(np.stack(spoiled) + 0.5, 0, 255).astype(np.uint8)


def spoil_at_random(
    images: NDArray[np.uint8], *, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Give about `share` of the images a fault, a third of those a second one; strengths [N, kinds] are the labels.

    Strengths are squares of uniform numbers: faint faults are the ones that have to be learned.
    """
    names, spoiled = list(GRADED_FAULTS), images.copy()
    strengths = np.zeros((len(images), len(names)), np.float32)
    for row in np.flatnonzero(rng.random(len(images)) < share):
        picture = images[row].astype(np.float32)
        for kind in rng.permutation(len(names))[: 1 + (rng.random() < 1 / 3)]:
            strengths[row, kind] = strength = rng.random() ** 2
            picture = GRADED_FAULTS[names[kind]](picture, float(strength), rng)
        spoiled[row] = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return spoiled, strengths
