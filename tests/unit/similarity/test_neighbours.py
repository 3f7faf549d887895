"""Neighbours on points whose distances can be read off."""

import numpy as np
import pytest

from woundgen.similarity.groups import group_codes
from woundgen.similarity.neighbours import (
    euclidean_distances,
    k_nearest,
    kth_neighbour_radius,
    leave_group_out_nearest,
)

LINE = np.array([[0.0], [1.0], [3.0], [7.0]])


def test_distances_of_a_right_triangle_and_of_equal_rows():
    points = np.array([[0.0, 0.0], [3.0, 4.0], [1e6, 0.1]])
    distances = euclidean_distances(points, points)
    assert distances[0, 1] == 5.0
    assert np.all(np.diag(distances) == 0.0)


def test_k_nearest_in_order_and_ties_to_the_lower_row():
    columns, distances = k_nearest(np.array([[3.0, 1.0, 1.0, 2.0]]), 3)
    assert columns.tolist() == [[1, 2, 3]]
    assert distances.tolist() == [[1.0, 1.0, 2.0]]


def test_own_group_is_left_out():
    distances = euclidean_distances(LINE, LINE)
    columns, nearest = leave_group_out_nearest(distances, ["a", "a", "b", None])
    assert columns.tolist() == [2, 2, 1, 2]
    assert nearest.tolist() == [3.0, 2.0, 2.0, 4.0]


def test_one_group_alone_has_no_neighbour():
    _, nearest = leave_group_out_nearest(euclidean_distances(LINE, LINE), ["a"] * 4)
    assert np.all(np.isinf(nearest))


@pytest.mark.parametrize(("k", "radius"), [(1, [1, 1, 2, 4]), (2, [3, 2, 3, 6])])
def test_radius_counts_other_rows_only(k, radius):
    assert kth_neighbour_radius(LINE, k).tolist() == radius


def test_unknown_groups_are_groups_of_one():
    assert group_codes(["x", None, "x", None, "unknown"], 5).tolist() == [0, 1, 0, 2, 3]
    assert group_codes(None, 3).tolist() == [0, 1, 2]
