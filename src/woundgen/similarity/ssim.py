"""Structural similarity of every image of one set with every image of another.

Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity"
(2004), section III.C: Gaussian window of 11 taps, sigma 1.5, K1 0.01, K2 0.03, here with a data range of 1.

Two things make N x M pairs affordable. Means and variances depend on one image only and are taken once an
image, so a pair costs one filtering (of the product) instead of five. And the window is separable: filtering
is two products with a band matrix, into which the reflection at the border is folded.
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
PAIRS_AT_ONCE = 2  # small enough that the maps of these pairs stay in the processor's cache


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
        seen = np.flatnonzero(rows.any(axis=0))
        source = slice(int(seen[0]), int(seen[-1]) + 1)
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

    def smooth(self, maps: Array) -> Array:
        """[N, C, H, W] -> [N, C, h, w]."""
        flat = maps.reshape(-1, maps.shape[-1])
        rows = np.empty((len(flat), self.shape[1]), maps.dtype)
        for strip in self.across:
            rows[:, strip.positions] = flat[:, strip.source] @ strip.weights.T
        rows = rows.reshape(*maps.shape[:-1], -1)
        smoothed = np.empty((*maps.shape[:2], *self.shape), maps.dtype)
        for strip in self.down:
            smoothed[:, :, strip.positions] = np.matmul(strip.weights, rows[:, :, strip.source])
        return smoothed


@dataclass(frozen=True, slots=True)
class ImageMoments:
    """What a pair needs of one of its images: pixels [N, C, H, W], local mean and variance [N, C, h, w]."""

    pixels: Array
    mean: Array
    variance: Array
    window: Window


def image_moments(images: Array, *, border: Border = "full", dtype: npt.DTypeLike = np.float64) -> ImageMoments:
    """Moments of images [N, H, W, C] in 0..1, to be kept where the same references meet many images."""
    _, height, width, _ = images.shape
    if min(height, width) < TAPS:
        raise UserError(f"SSIM needs images of at least {TAPS} pixels a side; these are {width} x {height}.")
    window = Window.of(height, width, border=border, dtype=dtype)
    pixels = np.ascontiguousarray(np.moveaxis(images, -1, 1), dtype=dtype)
    mean = window.smooth(pixels)
    variance = np.maximum(window.smooth(pixels**2) - mean**2, 0.0)  # rounding may leave -1e-17
    return ImageMoments(pixels, mean, variance, window)


def ssim_between(left: ImageMoments, right: ImageMoments) -> npt.NDArray[np.float64]:
    """[N, M] mean SSIM over all positions and channels, from moments with the same window."""
    result = np.empty((len(left.pixels), len(right.pixels)))
    for row in range(len(left.pixels)):
        for start in range(0, len(right.pixels), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            result[row, some] = _one_with_some(left, row, right, some)
    return result


def _one_with_some(left: ImageMoments, row: int, right: ImageMoments, some: slice) -> npt.NDArray[np.float64]:
    # Written with in-place steps: at this size the cost of fresh memory rivals that of the arithmetic.
    mean, means = left.mean[row], right.mean[some]
    means_product = mean * means
    structure = right.window.smooth(left.pixels[row] * right.pixels[some])
    structure -= means_product  # the covariance
    structure *= 2
    structure += C2
    structure /= left.variance[row] + right.variance[some] + C2
    means_product *= 2
    means_product += C1
    structure *= means_product
    structure /= mean**2 + means**2 + C1
    return structure.mean(axis=(1, 2, 3), dtype=np.float64)


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
        for j in range(i if right is left else 0, len(right), IMAGES_PER_BLOCK):
            columns = slice(j, j + IMAGES_PER_BLOCK)
            other = image_moments(right[columns], border=border, dtype=dtype)
            result[rows, columns] = ssim_between(block, other)
            if right is left:
                result[columns, rows] = result[rows, columns].T
    return result
