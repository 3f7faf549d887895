"""Structural similarity of every image of one set with every image of another.

Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity"
(2004), section III.C: Gaussian window of 11 taps, sigma 1.5, K1 0.01, K2 0.03, here with a data range of 1.

Two things make N x M pairs affordable. Means and variances depend on one image only and are taken once an image, so a
pair costs one filtering (of the product) instead of five. And a pair is worked out in memory that the pair before it
has left in the processor's cache: fresh memory would cost more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError

Border = Literal["full", "valid"]
Array = npt.NDArray[np.floating]

TAPS, SIGMA = 11, 1.5
WINDOW = cv2.getGaussianKernel(TAPS, SIGMA, cv2.CV_64F)
C1, C2 = 0.01**2, 0.03**2
IMAGES_PER_BLOCK = 32  # bounds memory: about 40 MB a side at 128 x 128 in float64


def smooth(image: Array, *, out: Array | None = None, plus: float = 0.0) -> Array:
    """Filter an image [H, W, C] by the Gaussian window, reflected at the border; `plus` is added to the result."""
    same_depth = -1
    smoothed = cv2.sepFilter2D(
        image, same_depth, WINDOW, WINDOW, dst=out, delta=plus, borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(smoothed, image.dtype).reshape(image.shape)  # OpenCV drops an axis of one channel


@dataclass(frozen=True, slots=True)
class ImageMoments:
    """Terms of one image of a pair, [N, H, W, C] each: pixels, local mean and variance. border: what is averaged."""

    pixels: Array
    mean: Array
    variance: Array
    border: Border

    def __len__(self) -> int:
        return len(self.pixels)


def image_moments(images: Array, *, border: Border = "full", dtype: npt.DTypeLike = np.float64) -> ImageMoments:
    """Moments of images [N, H, W, C] in 0..1, to be stored where the same references are compared with many images."""
    _, height, width, _ = images.shape
    if min(height, width) < TAPS:
        raise UserError(f"SSIM needs images of at least {TAPS} pixels a side; these are {width} x {height}.")
    pixels = np.ascontiguousarray(images, dtype=dtype)
    mean, variance = np.empty_like(pixels), np.empty_like(pixels)
    for row, image in enumerate(pixels):
        mean[row] = smooth(image)
        variance[row] = smooth(image**2)
    variance -= mean**2
    return ImageMoments(pixels, mean, np.maximum(variance, 0.0, out=variance), border)  # rounding may leave -1e-17


def ssim_between(left: ImageMoments, right: ImageMoments) -> npt.NDArray[np.float64]:
    """[N, M] mean SSIM over all positions and channels, from moments with the same border."""
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
    """Memory for one pair, [H, W, C] each, and the weight of each value [H * W * C] in a mean."""

    product: Array
    structure: Array
    means: Array
    spread: Array
    weights: Array

    @staticmethod
    def like(images: ImageMoments) -> _Space:
        image = images.pixels[0]
        product, structure, means, spread = (np.empty_like(image) for _ in range(4))
        return _Space(product, structure, means, spread, weights=np.full(image.size, 1 / image.size, image.dtype))


def _one_with_one(one: _One, right: ImageMoments, column: int, space: _Space) -> float:
    """Wang et al. 2004, eq. 13, each step into memory that is there."""
    mean, means, structure, spread = right.mean[column], space.means, space.structure, space.spread
    np.multiply(one.mean, mean, out=means)
    means += C1
    np.multiply(one.pixels, right.pixels[column], out=space.product)
    smooth(space.product, out=structure, plus=C1 + C2)
    structure -= means  # twice the covariance, and C2
    structure *= means
    np.multiply(mean, mean, out=means)
    means += one.square
    np.add(one.variance, right.variance[column], out=spread)
    spread *= means
    structure /= spread
    if right.border == "valid":
        return float(structure[TAPS // 2 : -(TAPS // 2), TAPS // 2 : -(TAPS // 2)].mean())
    return float(structure.ravel() @ space.weights)  # the mean, in a third of its time


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
