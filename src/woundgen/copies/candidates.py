"""Which few references an image may be a copy of, by votes of its descriptors over those of all references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.keypoints import LENGTH, Keypoints, mirror_descriptors

Rows = npt.NDArray[np.intp]
Matrix = npt.NDArray[np.float32]

DIMENSIONS = 32  # of the projected descriptors; verification uses all 128
INDEXED = 250  # descriptors of a reference in the index, those of the largest keypoints
VOTERS = 192  # descriptors of an image that vote, likewise: small keypoints come and go with noise and compression
BACKGROUND = 5  # the 5th best reference is what an unrelated one gives
NEVER_NEAR = -1e3  # nearness of an empty row


@dataclass(frozen=True, slots=True)
class ReferenceIndex:
    """Descriptors of M references in few dimensions.

    axes [128, d]: principal axes. projected [R, INDEXED, d + 1]: the descriptors on them, and minus half their squared
    norm, so that one product orders by distance; empty rows are never near. rows [R]: which references these are
    (those without keypoints are left out). count: M.
    """

    axes: Matrix
    projected: Matrix
    rows: Rows
    count: int


def build_index(references: Sequence[Keypoints]) -> ReferenceIndex:
    """Project INDEXED descriptors of each reference onto the principal axes of all of them."""
    some = [reference.descriptors[_largest(reference, INDEXED)] for reference in references]
    rows = np.array([row for row, descriptors in enumerate(some) if len(descriptors)], np.intp)
    stacked = np.concatenate([np.empty((0, LENGTH), np.float32), *some])
    moments = stacked.astype(np.float64).T @ stacked
    axes = np.linalg.eigh(moments)[1][:, ::-1][:, :DIMENSIONS].astype(np.float32)
    projected = np.zeros((len(rows), INDEXED, DIMENSIONS + 1), np.float32)
    projected[..., -1] = NEVER_NEAR
    for reference, row in zip(projected, rows, strict=True):
        values = some[row] @ axes
        reference[: len(values), :-1] = values
        reference[: len(values), -1] = -0.5 * np.square(values).sum(axis=1)
    return ReferenceIndex(axes, projected, rows, len(references))


def count_votes(image: Keypoints, index: ReferenceIndex) -> npt.NDArray[np.float64]:
    """[M] votes for each reference, of the image or of its mirror image, whichever are more; 0 without keypoints.

    Each descriptor votes for the references that hold a nearer one than the BACKGROUND-th best reference does, by
    how much nearer (after local naive Bayes nearest neighbour, McCann & Lowe 2012).
    """
    votes = np.zeros(index.count)
    if len(image) and len(index.rows):
        voters = image.descriptors[_largest(image, VOTERS)]
        best = _find_nearest(np.concatenate((voters, mirror_descriptors(voters))) @ index.axes, index)
        rank = min(BACKGROUND, len(best))
        ahead = np.maximum(best - np.partition(best, -rank, axis=0)[-rank], 0)
        votes[index.rows] = np.maximum(ahead[:, : len(voters)].sum(axis=1), ahead[:, len(voters) :].sum(axis=1))
    return votes


def _find_nearest(voters: Matrix, index: ReferenceIndex) -> Matrix:
    """[R, V] how near each reference comes to each voter [V, d].

    Reference by reference: a table of all descriptors would not stay in the processor's cache.
    """
    columns = np.ascontiguousarray(np.concatenate((voters, np.ones((len(voters), 1), np.float32)), axis=1).T)
    best = np.empty((len(index.rows), len(voters)), np.float32)
    nearness = np.empty((INDEXED, len(voters)), np.float32)
    for row, reference in enumerate(index.projected):
        np.matmul(reference, columns, out=nearness)
        np.max(nearness, axis=0, out=best[row])
    return best


def _largest(keypoints: Keypoints, most: int) -> Rows:
    """Rows of the at most `most` largest keypoints."""
    return np.argsort(-keypoints.scales, kind="stable")[:most]
