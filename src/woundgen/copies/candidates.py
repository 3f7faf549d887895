"""Which few references an image may be a copy of, by votes of its descriptors over those of all references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.keypoints import LENGTH, Keypoints, mirror_keypoints

Rows = npt.NDArray[np.intp]
Matrix = npt.NDArray[np.float32]

DIMENSIONS = 16  # of the projected descriptors; verification uses all 128
INDEXED = 250  # descriptors of a reference in the index, those of the largest keypoints
VOTERS = 128  # descriptors of an image that vote, likewise: small keypoints come and go with noise and compression
BACKGROUND = 11  # the 11th best reference is what an unrelated one gives


@dataclass(frozen=True, slots=True)
class ReferenceIndex:
    """Descriptors of M references in few dimensions.

    axes [128, d]: principal axes. projected [T, d + 1]: the descriptors on them, and minus half their squared norm,
    so that one product orders by distance. starts: first row of each. rows: which references these are (those without
    keypoints are left out). count: M.
    """

    axes: Matrix
    projected: Matrix
    starts: Rows
    rows: Rows
    count: int


def build_index(references: Sequence[Keypoints]) -> ReferenceIndex:
    """Project INDEXED descriptors of each reference onto the principal axes of all of them."""
    some = [reference.descriptors[_largest(reference, INDEXED)] for reference in references]
    rows = np.array([row for row, descriptors in enumerate(some) if len(descriptors)], np.intp)
    stacked = np.concatenate([np.empty((0, LENGTH), np.float32), *some])
    moments = stacked.astype(np.float64).T @ stacked
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :DIMENSIONS].astype(np.float32)
    projected = stacked @ axes
    halves = -0.5 * np.square(projected).sum(axis=1, keepdims=True)
    starts = np.concatenate(([0], np.cumsum([len(some[row]) for row in rows])[:-1])).astype(np.intp)
    return ReferenceIndex(axes, np.concatenate((projected, halves), axis=1), starts, rows, len(references))


def count_votes(image: Keypoints, index: ReferenceIndex) -> npt.NDArray[np.float64]:
    """[M] votes for each reference, of the image or of its mirror image, whichever are more; 0 without keypoints.

    Each descriptor votes for the references that hold a nearer one than the BACKGROUND-th best reference does, by
    how much nearer (after local naive Bayes nearest neighbour, McCann & Lowe 2012).
    """
    votes = np.zeros(index.count)
    if len(image) and len(index.rows):
        votes[index.rows] = np.maximum(_votes(image, index), _votes(mirror_keypoints(image), index))
    return votes


def _votes(image: Keypoints, index: ReferenceIndex) -> Matrix:
    voters = image.descriptors[_largest(image, VOTERS)] @ index.axes
    nearness = index.projected @ np.concatenate((voters, np.ones((len(voters), 1), np.float32)), axis=1).T
    best = np.maximum.reduceat(nearness, index.starts, axis=0)  # [M, voters]
    rank = min(BACKGROUND, len(best))
    background = np.partition(best, -rank, axis=0)[-rank]
    return np.asarray(np.maximum(best - background, 0).sum(axis=1))


def _largest(keypoints: Keypoints, most: int) -> Rows:
    """Rows of the at most `most` largest keypoints."""
    return np.argsort(-keypoints.scales, kind="stable")[:most]
