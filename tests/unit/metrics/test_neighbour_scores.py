"""Neighbour scores against brute force over all pairs, and on points that can be checked by eye."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from woundgen.errors import UserError
from woundgen.metrics.neighbour_scores import neighbour_scores


def brute_force(generated: np.ndarray, real: np.ndarray, k: int) -> tuple[float, ...]:
    """The definitions in loops: Kynkaanniemi 2019 eq. 1-2, Naeem 2020 eq. 3-4, Alaa 2022 section 3.3."""

    def radius(points: np.ndarray, i: int, k: int) -> float:
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]

    real_radius = [radius(real, i, k) for i in range(len(real))]
    generated_radius = [radius(generated, j, k) for j in range(len(generated))]
    distance = [[math.dist(r, g) for g in generated] for r in real]
    rows, columns = range(len(real)), range(len(generated))
    authentic = 0
    for j in columns:
        nearest = min(rows, key=lambda i: distance[i][j])
        authentic += distance[nearest][j] > radius(real, nearest, 1)
    return (
        sum(any(distance[i][j] <= real_radius[i] for i in rows) for j in columns) / len(columns),
        sum(any(distance[i][j] <= generated_radius[j] for j in columns) for i in rows) / len(rows),
        sum(distance[i][j] < real_radius[i] for i in rows for j in columns) / (k * len(columns)),
        sum(any(distance[i][j] < real_radius[i] for j in columns) for i in rows) / len(rows),
        authentic / len(columns),
    )


@pytest.mark.parametrize("k", [3, 5])
def test_equals_brute_force(k):
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((40, 8)), 0.7 * rng.standard_normal((30, 8)) + 0.3
    assert astuple(neighbour_scores(generated, real, k=k)) == pytest.approx(brute_force(generated, real, k))


def test_radii_inclusive_for_precision_and_exclusive_for_density():
    """Real 0, 1, 2, 3 have radius 1 at k = 1: generated 4 lies on the last ball, real 1 on that of 4."""
    real, generated = np.arange(4.0)[:, None], np.array([[4.0], [7.0]])
    scores = neighbour_scores(generated, real, k=1)
    assert (scores.precision, scores.density, scores.coverage) == (0.5, 0.0, 0.0)
    assert scores.recall == 0.75  # 1, 2 and 3 lie within 3 of 4
    assert scores.authenticity == 0.5  # at distance 1 from 3, which is 1 from 2: not farther


def test_copies_are_not_authentic():
    real = np.random.default_rng(1).standard_normal((30, 8))
    noise = 1e-3 * np.random.default_rng(2).standard_normal((30, 8))
    assert neighbour_scores(real[::-1] + noise, real).authenticity == 0.0
    scores = neighbour_scores(real, real)
    assert (scores.precision, scores.recall, scores.coverage) == (1, 1, 1)


def test_narrow_generated_images_are_precise_but_do_not_recall():
    """torch-fidelity's asymmetric test: N(0, .1^2) against N(0, 3^2), 200 x 16, seed 42, k = 3."""
    rng = np.random.default_rng(42)
    scores = neighbour_scores(0.1 * rng.standard_normal((200, 16)), 3 * rng.standard_normal((200, 16)), k=3)
    assert scores.precision > 0.8
    assert scores.recall < 0.3


def test_too_few_for_k():
    points = np.random.default_rng(3).standard_normal((6, 2))
    neighbour_scores(points, points, k=5)
    with pytest.raises(UserError, match="too few for k = 5"):
        neighbour_scores(points[:5], points, k=5)
