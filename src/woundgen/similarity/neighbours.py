"""Nearest neighbours among feature vectors. Of equally near rows the lower one is taken."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]
Distances = npt.NDArray[np.float64]


def euclidean_distances(left: Array, right: Array) -> Distances:
    """[N, M] distances of rows [N, d] and [M, d], by differences: exactly 0 for copies."""
    return cdist(np.asarray(left, np.float64), np.asarray(right, np.float64))


def k_nearest(distances: Distances, k: int) -> tuple[npt.NDArray[np.intp], Distances]:
    """Columns and distances, both [N, k], of the k nearest in each row of [N, M], nearest first."""
    assert 1 <= k <= distances.shape[1], f"k = {k} of {distances.shape[1]} columns"
    columns = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return columns, np.take_along_axis(distances, columns, axis=1)


def without_own_group(distances: Distances, groups: Groups | None = None) -> Distances:
    """A copy of square [N, N] distances with infinity inside each group (so on the diagonal, too).

    Two photographs of one patient are near for a reason that has nothing to do with copying.
    """
    codes = group_codes(groups, len(distances))
    return np.where(codes[:, None] == codes, np.inf, distances)


def leave_group_out_nearest(
    distances: Distances, groups: Groups | None = None
) -> tuple[npt.NDArray[np.intp], Distances]:
    """Row and distance [N] of the nearest image of another group; infinite where there is no other group."""
    columns, nearest = k_nearest(without_own_group(distances, groups), 1)
    return columns[:, 0], nearest[:, 0]


def kth_neighbour_radius(features: Array, k: int) -> Distances:
    """[N] distance of each row of [N, d] to its k-th nearest other row."""
    distances = without_own_group(euclidean_distances(features, features))
    return np.partition(distances, k - 1, axis=1)[:, k - 1]
