"""The similarity transform (turn, scale, shift) that most matched keypoints agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.complex128]

SMALLEST_SCALE, LARGEST_SCALE = 0.4, 2.5
TOLERANCE = 0.02  # of the side: how far from its place a keypoint may land
REFINEMENTS = 4
HYPOTHESES = 1200  # pairs of matches that are tried at most
CELL = 0.01  # of the side: keypoints nearer than this are one place
NEAREST_PAIR = 0.05  # of the side: points nearer together give no direction


@dataclass(frozen=True, slots=True)
class Alignment:
    """target = multiplier * source + shift, in complex numbers x + iy; inliers bool [M], places: how many distinct."""

    multiplier: complex
    shift: complex
    inliers: npt.NDArray[np.bool_]
    places: int

    @property
    def scale(self) -> float:
        return abs(self.multiplier)

    @property
    def rotation(self) -> float:
        """Degrees."""
        return float(np.rad2deg(np.angle(self.multiplier)))


def align_points(source: Points, target: Points) -> Alignment | None:
    """Find the transform that lays most of source [M] on target [M], within TOLERANCE; None for fewer than 3.

    Pairs of matches are tried in a fixed order (every pair while there are HYPOTHESES or fewer), so the same
    points give the same transform: RANSAC (Fischler & Bolles 1981) without chance.
    """
    if len(source) < 3:
        return None
    multiplier, shift = _hypotheses(source, target)
    if len(multiplier) == 0:
        return None
    counts = _count_inliers(multiplier, shift, source, target)
    best: Alignment | None = None
    for which in np.argsort(-counts, kind="stable")[:REFINEMENTS]:
        refined = _refine(multiplier[which], shift[which], source, target)
        if best is None or refined.places > best.places:
            best = refined
    return best


def _hypotheses(source: Points, target: Points) -> tuple[Points, Points]:
    """Transforms that lay two of the matches exactly on one another, of scales that are searched."""
    first, second = _pairs(len(source))
    across = source[second] - source[first]
    apart = np.abs(across) > NEAREST_PAIR
    first, second, across = first[apart], second[apart], across[apart]
    multiplier = (target[second] - target[first]) / across
    size = np.abs(multiplier)
    usable = (size >= SMALLEST_SCALE) & (size <= LARGEST_SCALE)
    multiplier = multiplier[usable]
    return multiplier, target[first[usable]] - multiplier * source[first[usable]]


def _pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of at most HYPOTHESES pairs: matches so many steps apart, the steps spread over all there are."""
    steps = max(1, min(count // 2, HYPOTHESES // count))
    offsets = np.unique(np.linspace(1, count // 2, steps).astype(np.intp))
    first = np.tile(np.arange(count), len(offsets))
    return first, (first + np.repeat(offsets, count)) % count


def _count_inliers(multiplier: Points, shift: Points, source: Points, target: Points) -> npt.NDArray[np.intp]:
    """How many of the matches [M] each transform [H] brings within TOLERANCE; in float32, by two products."""
    left = _stack(multiplier.real, -multiplier.imag, shift.real, -np.ones(len(shift))).T
    below = _stack(multiplier.imag, multiplier.real, shift.imag, -np.ones(len(shift))).T
    apart = np.square(left @ _stack(source.real, source.imag, np.ones(len(source)), target.real))
    apart += np.square(below @ _stack(source.real, source.imag, np.ones(len(source)), target.imag))
    return np.asarray((apart < TOLERANCE**2).sum(axis=1))


def _stack(*rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.stack(rows).astype(np.float32)


def _refine(multiplier: complex, shift: complex, source: Points, target: Points) -> Alignment:
    """Fit to the inliers, and find the inliers of the fit, twice."""
    inliers = np.abs(multiplier * source + shift - target) < TOLERANCE
    best = Alignment(multiplier, shift, inliers, _distinct(source, target, inliers))
    for _ in range(2):
        if best.inliers.sum() < 3:
            break
        multiplier, shift = _least_squares(source[best.inliers], target[best.inliers])
        if not SMALLEST_SCALE <= abs(multiplier) <= LARGEST_SCALE:
            break
        inliers = np.abs(multiplier * source + shift - target) < TOLERANCE
        fitted = Alignment(multiplier, shift, inliers, _distinct(source, target, inliers))
        if fitted.places < best.places:
            break
        best = fitted
    return best


def _least_squares(source: Points, target: Points) -> tuple[complex, complex]:
    """The similarity of least squared error (Umeyama 1991, in the plane)."""
    middle, aim = source.mean(), target.mean()
    centred = source - middle
    spread = float(np.square(np.abs(centred)).sum())
    multiplier = complex((centred.conj() * (target - aim)).sum() / spread) if spread else 0j
    return multiplier, complex(aim - multiplier * middle)


def _distinct(source: Points, target: Points, inliers: npt.NDArray[np.bool_]) -> int:
    """Places that the inliers cover, on the side that has fewer."""
    return min(count_places(source[inliers]), count_places(target[inliers]))


def count_places(points: Points) -> int:
    """Cells of CELL by CELL that hold a point."""
    cells = np.floor(points.real / CELL) * 100_003 + np.floor(points.imag / CELL)
    return len(set(cells.tolist()))
