"""How alike an image and its nearest references are once one is laid on the other.

A memorised photograph comes back mirrored, shifted, scaled or turned as training augments, and SSIM falls
steeply with each of these (a shift of two pixels: .61; a mirror: .25). So features pick a few references,
and only there are the alignments searched: all of them on small grey copies by correlation, the best one of
each candidate at full size by SSIM.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform

from woundgen.screening.pairwise import Pairs
from woundgen.similarity.sharpness import LUMA
from woundgen.similarity.ssim import pairwise_ssim

Array = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]

COARSE_SIDE = 64
EDGE = 1 / 16  # of the side, left out at each border, where a turned or scaled copy has nothing to show


@dataclass(frozen=True, slots=True)
class Alignments:
    """What is searched, each with and without mirroring. shift: pixels. rotations: degrees.

    The rotations span those of training (data.augment: 8 degrees) in steps that leave an error of 1.3
    degrees, which is 1.5 pixels at the edge of 128. The scales span twice those of training (5 %): a model
    draws what it has seen scaled a little nearer or farther, too, and of photographs scaled twice so a search
    that ended at 5 % lost one in nine.
    """

    shift: int = 3
    scales: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05, 1.1)
    rotations: tuple[float, ...] = (-8.0, -5.33, -2.67, 0.0, 2.67, 5.33, 8.0)

    def warps(self) -> tuple[tuple[float, float], ...]:
        return tuple(product(self.scales, self.rotations))


@dataclass(frozen=True, slots=True)
class Templates:
    """References made ready for the search. coarse [M, warps, P]: middle of each small grey warp, normalised."""

    images: Array
    coarse: npt.NDArray[np.float32]
    alignments: Alignments
    factor: int


def prepare_templates(images: Array, alignments: Alignments | None = None) -> Templates:
    """Of references [M, H, W, 3] in 0..1; about 0.3 MB of coarse warps each."""
    alignments = alignments or Alignments()
    factor = max(1, min(images.shape[1:3]) // COARSE_SIDE)
    margin = _margin(min(images.shape[1:3]) // factor, shift=_coarse_shift(alignments, factor))
    coarse = [
        [_middle(warp(small, *setting), margin) for setting in alignments.warps()] for small in _shrink(images, factor)
    ]
    return Templates(images, _normalised(np.array(coarse, np.float32)), alignments, factor)


def candidates(pairs: Pairs, *, apart: npt.NDArray[np.bool_], count: int = 3) -> Rows:
    """[N, count + 1 or 2] references worth aligning: nearest in features, and the best by each other measure."""
    by_features = np.argsort(np.where(apart, pairs.embedding_either, np.inf), axis=1, kind="stable")[:, :count]
    others = [np.where(apart, pairs.ssim, -np.inf).argmax(axis=1)]
    if pairs.perceptual_either is not None:
        others.append(np.where(apart, pairs.perceptual_either, np.inf).argmin(axis=1))
    return np.column_stack((by_features, *others))


def best_aligned(images: Array, templates: Templates, candidates: Rows) -> tuple[npt.NDArray[np.float64], Rows]:
    """SSIM [N] of the best alignment of each image [N, H, W, 3] with any of its candidates [N, K], and which."""
    ssim = np.empty(len(images))
    nearest = np.empty(len(images), np.intp)
    for row, (image, rows) in enumerate(zip(images, candidates, strict=True)):
        unique = np.unique(rows)
        values = _aligned_ssim(image, templates, unique)
        ssim[row], nearest[row] = values.max(), unique[values.argmax()]
    return ssim, nearest


def _aligned_ssim(image: Array, templates: Templates, rows: Rows) -> npt.NDArray[np.float64]:
    """[K]: each candidate at its best coarse alignment, the shift then refined at full size."""
    both = np.stack((image, image[:, ::-1]))
    factor, reach = templates.factor, _coarse_shift(templates.alignments, templates.factor)
    shifts = _square(reach)
    margin = _margin(min(image.shape[:2]) // factor, shift=reach)
    windows = [_shifted(small, shifts, margin) for small in _shrink(both, factor)]
    flat = _normalised(np.concatenate(windows))
    correlation = templates.coarse[rows] @ flat.T  # [K, warps, mirrors x shifts]
    values = np.empty(len(rows))
    for number, scores in enumerate(correlation):
        which, where = np.unravel_index(scores.argmax(), scores.shape)
        mirror, shift = divmod(int(where), len(shifts))
        warped = warp(templates.images[rows[number]], *templates.alignments.warps()[which])
        values[number] = _refined_ssim(both[mirror], warped, factor * shifts[shift], templates)
    return values


def _refined_ssim(image: Array, warped: Array, start: Rows, templates: Templates) -> float:
    limit = templates.alignments.shift
    shifts = np.unique(np.clip(start + _square(templates.factor - 1), -limit, limit), axis=0)
    margin = _margin(min(image.shape[:2]), shift=limit)
    if len(shifts) > 1:
        grey = _normalised(_shifted(image @ LUMA, shifts, margin))
        target = _normalised(_middle(warped @ LUMA, margin)[None])[0]
        shifts = shifts[[(grey @ target).argmax()]]
    (down, across) = shifts[0]
    height, width = image.shape[:2]
    moved = image[margin + down : height - margin + down, margin + across : width - margin + across]
    fixed = warped[margin : height - margin, margin : width - margin]
    return float(pairwise_ssim(moved[None], fixed[None], dtype=np.float32)[0, 0])


def warp(image: Array, scale: float, rotation: float) -> Array:
    """[H, W] or [H, W, 3] enlarged by `scale` and turned by `rotation` degrees about the middle."""
    if scale == 1 and rotation == 0:
        return image
    if image.ndim == 3:
        return np.stack([warp(channel, scale, rotation) for channel in np.moveaxis(image, -1, 0)], axis=-1)
    cosine, sine = np.cos(np.deg2rad(rotation)) / scale, np.sin(np.deg2rad(rotation)) / scale
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    centre = (np.array(image.shape) - 1) / 2
    return affine_transform(image, matrix, centre - matrix @ centre, order=1, mode="mirror")


def _coarse_shift(alignments: Alignments, factor: int) -> int:
    return -(-alignments.shift // factor)


def _square(reach: int) -> Rows:
    steps = np.arange(-reach, reach + 1)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)


def _margin(side: int, *, shift: int) -> int:
    """Border left out: what a shift needs, and the edge."""
    return shift + round(side * EDGE)


def _middle(grey: Array, margin: int) -> Array:
    return grey[margin : grey.shape[0] - margin, margin : grey.shape[1] - margin].reshape(-1)


def _shifted(grey: Array, shifts: Rows, margin: int) -> Array:
    """[shifts, P]: the middle of [H, W] as seen from each shift."""
    height, width = grey.shape
    crops = [grey[margin + y : height - margin + y, margin + x : width - margin + x] for y, x in shifts]
    return np.stack(crops).reshape(len(shifts), -1)


def _shrink(images: Array, factor: int) -> npt.NDArray[np.float32]:
    """Grey [N, H // factor, W // factor] by averaging blocks."""
    grey = (images @ LUMA).astype(np.float32)
    height, width = grey.shape[1] // factor, grey.shape[2] // factor
    blocks = grey[:, : height * factor, : width * factor].reshape(-1, height, factor, width, factor)
    return blocks.mean(axis=(2, 4))


def _normalised(rows: Array) -> npt.NDArray[np.float32]:
    """Mean 0 and norm 1 along the last axis, so that a product is Pearson's correlation; flat rows become 0."""
    centred = (rows - rows.mean(axis=-1, keepdims=True)).astype(np.float32)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6)
