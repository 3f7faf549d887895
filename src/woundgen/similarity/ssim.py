"""Structural similarity of every image of one set with every image of another.

Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity"
(2004), section III.C: Gaussian window of 11 taps, sigma 1.5, K1 0.01, K2 0.03, here with a data range of 1.

Three things make N x M pairs affordable. Means and variances depend on one image only and are taken once an
image, so a pair costs one filtering (of the product) instead of five. The window is separable: filtering is two
products with a band matrix, into which the reflection at the border is folded. And a pair is worked out in memory
that the pair before it has left in the processor's cache: fresh memory would cost more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError

Border = Literal["full", "valid"]
Array = npt.NDArray[np.floating]

TAPS, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
IMAGES_PER_BLOCK = 32  # bounds memory: about 40 MB a side at 128 x 128 in float64
POSITIONS_PER_STRIP = 16


def band_matrix(size: int, border: Border) -> npt.NDArray[np.float64]:
    """[positions, size]: `full` has `size` positions and reflects at the border, `valid` has size - 10."""
    offsets = np.arange(TAPS) - TAPS // 2
    taps = np.exp(-(offsets**2) / (2 * SIGMA**2))
    source = np.pad(np.arange(size), TAPS // 2 if border == "full" else 0, mode="reflect")
    positions = np.arange(len(source) - TAPS + 1)[:, None]
    matrix = np.zeros((len(positions), size))
    np.add.at(matrix, (positions, source[positions + np.arange(TAPS)]), taps / taps.sum())
    return matrix


@dataclass(frozen=True, slots=True)
class Strip:
    """Neighbouring output positions, the stretch of input they see, and the weights [positions, stretch]."""

    positions: slice
    source: slice
    weights: Array


def band_strips(matrix: Array) -> tuple[Strip, ...]:
    """A band matrix as dense strips: a quarter of the arithmetic of the full product at 128 pixels."""
    strips = []
    for start in range(0, len(matrix), POSITIONS_PER_STRIP):
        rows = matrix[start : start + POSITIONS_PER_STRIP]
        covered = np.flatnonzero(rows.any(axis=0))
        source = slice(int(covered[0]), int(covered[-1]) + 1)
        strips.append(Strip(slice(start, start + len(rows)), source, np.ascontiguousarray(rows[:, source])))
    return tuple(strips)


@dataclass(frozen=True, slots=True)
class Window:
    """The Gaussian window for one image size, as strips down and across."""

    shape: tuple[int, int]  # of the filtered map
    down: tuple[Strip, ...]
    across: tuple[Strip, ...]

    @staticmethod
    def of(height: int, width: int, *, border: Border, dtype: npt.DTypeLike) -> Window:
        down = band_matrix(height, border).astype(dtype)
        across = down if width == height else band_matrix(width, border).astype(dtype)
        return Window((len(down), len(across)), band_strips(down), band_strips(across))

    def smooth(self, image: Array, *, rows: Array, out: Array) -> Array:
        """[H, C, W] -> [h, C, w], written to `out`; rows [H, C, w] is overwritten on the way."""
        flat, narrow = image.reshape(-1, image.shape[-1]), rows.reshape(-1, rows.shape[-1])
        for strip in self.across:
            np.matmul(flat[:, strip.source], strip.weights.T, out=narrow[:, strip.positions])
        lines, smoothed = rows.reshape(len(rows), -1), out.reshape(len(out), -1)
        for strip in self.down:
            np.matmul(strip.weights, lines[strip.source], out=smoothed[strip.positions])
        return out


@dataclass(frozen=True, slots=True)
class ImageMoments:
    """Terms of one image of a pair: pixels [N, H, C, W], local mean and variance [N, h, C, w]."""

    pixels: Array
    mean: Array
    variance: Array
    window: Window

    def __len__(self) -> int:
        return len(self.pixels)


def image_moments(images: Array, *, border: Border = "full", dtype: npt.DTypeLike = np.float64) -> ImageMoments:
    """Moments of images [N, H, W, C] in 0..1, to be stored where the same references are compared with many images."""
    count, height, width, channels = images.shape
    if min(height, width) < TAPS:
        raise UserError(f"SSIM needs images of at least {TAPS} pixels a side; these are {width} x {height}.")
    window = Window.of(height, width, border=border, dtype=dtype)
    pixels = np.ascontiguousarray(np.swapaxes(images, 2, 3), dtype=dtype)
    rows = np.empty((height, channels, window.shape[1]), dtype)
    mean = np.empty((count, window.shape[0], channels, window.shape[1]), dtype)
    variance = np.empty_like(mean)
    for row, image in enumerate(pixels):
        window.smooth(image, rows=rows, out=mean[row])
        window.smooth(image**2, rows=rows, out=variance[row])
    variance -= mean**2
    return ImageMoments(pixels, mean, np.maximum(variance, 0.0, out=variance), window)  # rounding may leave -1e-17


def ssim_between(left: ImageMoments, right: ImageMoments) -> npt.NDArray[np.float64]:
    """[N, M] mean SSIM over all positions and channels, from moments with the same window."""
    result = np.empty((len(left), len(right)))
    space = _Space.like(right)
    for row in range(len(left)):
        one = _One.of(left, row)
        for column in range(len(right)):
            result[row, column] = _one_with_one(one, right, column, space)
    return result


def ssim_against(images: Array, known: ImageMoments) -> npt.NDArray[np.float64]:
    """[N, M] of images [N, H, W, C] in 0..1 with those whose moments (border `full`) are held; memory bounded in N."""
    blocks = (images[first : first + IMAGES_PER_BLOCK] for first in range(0, len(images), IMAGES_PER_BLOCK))
    return np.concatenate([ssim_between(image_moments(block, dtype=known.pixels.dtype), known) for block in blocks])


def ssim_among(images: ImageMoments) -> npt.NDArray[np.float64]:
    """[N, N] of every image with every image; each pair is worked out once."""
    result = np.empty((len(images), len(images)))
    space = _Space.like(images)
    for row in range(len(images)):
        one = _One.of(images, row)
        for column in range(row, len(images)):
            result[row, column] = result[column, row] = _one_with_one(one, images, column, space)
    return result


@dataclass(frozen=True, slots=True)
class _One:
    """Terms that all pairs of an image share: twice its pixels and mean, and its parts of the two denominators."""

    pixels: Array
    mean: Array
    variance: Array
    square: Array

    @staticmethod
    def of(images: ImageMoments, row: int) -> _One:
        mean = images.mean[row]
        return _One(2 * images.pixels[row], 2 * mean, images.variance[row] + C2, mean**2 + C1)


@dataclass(frozen=True, slots=True)
class _Space:
    """Memory for one pair: product [H, C, W], rows [H, C, w], the others [h, C, w]."""

    product: Array
    rows: Array
    structure: Array
    means: Array
    spread: Array

    @staticmethod
    def like(images: ImageMoments) -> _Space:
        whole, (_, width), filtered = images.pixels.shape[1:], images.window.shape, images.mean.shape[1:]
        shapes = (whole, (*whole[:2], width), filtered, filtered, filtered)
        return _Space(*(np.empty(shape, images.pixels.dtype) for shape in shapes))


def _one_with_one(one: _One, right: ImageMoments, column: int, space: _Space) -> float:
    """Wang et al. 2004, eq. 13, each step into memory that is there."""
    mean, means, structure, spread = right.mean[column], space.means, space.structure, space.spread
    np.multiply(one.pixels, right.pixels[column], out=space.product)
    right.window.smooth(space.product, rows=space.rows, out=structure)
    np.multiply(one.mean, mean, out=means)
    structure -= means  # twice the covariance
    structure += C2
    means += C1
    structure *= means
    np.multiply(mean, mean, out=means)
    means += one.square
    np.add(one.variance, right.variance[column], out=spread)
    spread *= means
    structure /= spread
    return float(structure.mean())


def pairwise_ssim(
    left: Array, right: Array, *, border: Border = "full", dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[np.float64]:
    """[N, M] SSIM of images [N, H, W, C] with images [M, H, W, C], both in 0..1.

    border: `full` filters up to the edge over a reflected border and averages the whole map: torchmetrics'
    convention at data_range=1. `valid` averages the positions whose window lies inside the image:
    scikit-image's with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.
    dtype: float32 halves time and memory and stays within 1e-4 of float64.
    Memory does not grow with N and M (but for the result). `right is left` computes every pair once.
    """
    if left.shape[1:] != right.shape[1:]:
        raise UserError(f"SSIM of images of different shape: {left.shape[1:]} and {right.shape[1:]}.", "Resize.")
    result = np.empty((len(left), len(right)))
    for i in range(0, len(left), IMAGES_PER_BLOCK):
        rows = slice(i, i + IMAGES_PER_BLOCK)
        block = image_moments(left[rows], border=border, dtype=dtype)
        if right is left:
            result[rows, rows] = ssim_among(block)
        for j in range(i + IMAGES_PER_BLOCK if right is left else 0, len(right), IMAGES_PER_BLOCK):
            columns = slice(j, j + IMAGES_PER_BLOCK)
            result[rows, columns] = ssim_between(block, image_moments(right[columns], border=border, dtype=dtype))
            if right is left:
                result[columns, rows] = result[rows, columns].T
    return result
