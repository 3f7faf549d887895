"""The transform that most points agree on, against transforms that were applied."""

import numpy as np
import pytest

from woundgen.copies.alignment import TOLERANCE, align_points, count_places


def points(count: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0, 1, (2, count))
    return values[0] + 1j * values[1]


@pytest.mark.parametrize(("scale", "degrees"), [(1.0, 0.0), (0.5, 90.0), (2.2, -135.0)])
@pytest.mark.parametrize(("agreeing", "stray"), [(8, 6), (30, 60), (200, 200)])
def test_the_applied_transform_is_found_among_strays(scale: float, degrees: float, agreeing: int, stray: int):
    multiplier, shift = scale * np.exp(1j * np.deg2rad(degrees)), 0.3 - 0.2j
    source = points(agreeing + stray, 1)
    noise = 0.003 * (points(agreeing + stray, 2) - 0.5 - 0.5j)
    target = multiplier * source + shift + noise
    target[agreeing:] = points(stray, 3) * 2
    found = align_points(source, target)
    assert found is not None
    assert found.scale == pytest.approx(scale, rel=0.02)
    assert np.exp(1j * np.deg2rad(found.rotation - degrees)).real > 0.999
    assert found.inliers[:agreeing].all()
    chance = np.abs(multiplier * source[agreeing:] + shift - target[agreeing:]) < 2 * TOLERANCE
    assert found.inliers[agreeing:].sum() <= chance.sum()


def test_scales_out_of_range_are_not_found():
    source = points(40, 5)
    found = align_points(source, 0.2 * source)
    assert found is None or found.places < 20


def test_the_same_points_give_the_same_transform():
    source, target = points(90, 6), points(90, 7)
    first, again = align_points(source, target), align_points(source, target)
    assert (first.multiplier, first.shift, first.places) == (again.multiplier, again.shift, again.places)


def test_many_matches_at_one_place_are_one_place():
    assert count_places(np.full(50, 0.5 + 0.5j)) == 1
    source = np.concatenate((np.full(30, 0.2 + 0.2j), points(3, 8)))
    assert align_points(source, source).places == 4


def test_two_points_are_too_few():
    assert align_points(points(2, 1), points(2, 1)) is None
