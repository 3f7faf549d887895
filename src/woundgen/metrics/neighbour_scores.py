"""Scores that ask whether images lie among each other's nearest neighbours.

precision, recall: Kynkaanniemi et al., "Improved precision and recall metric" (2019), radius inclusive.
density, coverage: Naeem et al., "Reliable fidelity and diversity metrics" (2020), radius exclusive (prdc).
authenticity: Alaa et al., "How faithful is your synthetic data?" (2022), definition; the authors' code
looks up a real photograph's distance under a generated image's index.

For two samples of one distribution none of these is 1: at n = 100, k = 5, d = 64 about .83 precision, .81
recall, 1.07 density, .98 coverage and .76 authenticity. Read them beside the floor at equal n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.similarity.neighbours import euclidean_distances, k_nearest, kth_neighbour_radius

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class NeighbourScores:
    """Each 0..1 but density, which has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float
    authenticity: float


def neighbour_scores(generated: Array, real: Array, *, k: int = 5) -> NeighbourScores:
    """Of rows [n, d] against rows [m, d], each more than k; an image is not its own neighbour."""
    if min(len(generated), len(real)) <= k:
        raise UserError(
            f"{len(generated)} generated and {len(real)} real images are too few for k = {k} neighbours.",
            f"Give more than {k} of each, or a smaller k.",
        )
    distances = euclidean_distances(real, generated)  # [m, n]
    real_radius = kth_neighbour_radius(real, k)[:, None]
    generated_radius = kth_neighbour_radius(generated, k)
    inside = distances < real_radius
    return NeighbourScores(
        precision=float((distances <= real_radius).any(axis=0).mean()),
        recall=float((distances <= generated_radius).any(axis=1).mean()),
        density=float(inside.sum(axis=0).mean() / k),
        coverage=float(inside.any(axis=1).mean()),
        authenticity=authenticity(distances, kth_neighbour_radius(real, 1)),
    )


def authenticity(distances: npt.NDArray[np.float64], real_to_real: Array) -> float:
    """Share of generated images farther from their nearest real photograph than that one is from its own.

    distances [m real, n generated]; real_to_real [m], each photograph's distance to the nearest other.
    A copy scores 0.
    """
    rows, nearest = k_nearest(distances.T, 1)
    return float((nearest[:, 0] > real_to_real[rows[:, 0]]).mean())
