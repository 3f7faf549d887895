"""The objective of a trial and its constraints, from features of images drawn and of photographs at equal n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from woundgen.errors import UserError
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.neighbour_scores import neighbour_scores

Array = npt.NDArray[np.floating]
Kind = Literal["kid", "fd"]
Statistic = Callable[[Array, Array], float]

NEIGHBOURS = 5
COPIES_LEVEL = 0.95  # as many copies as photographs of other patients would give are exceeded so rarely by chance
RECALL_SHARE = 0.5  # of the recall that photographs of other patients reach
FEWEST_SCREENED, SCREENED_SHARE = 16, 6  # images of a quick look at a drawing: a sixth of a measurement's


def choose_statistic(kind: Kind) -> Statistic:
    """Return the distance of feature sets [n, d], lower is better: KID (unbiased) or FD (biased alike at equal n)."""
    return kernel_distance if kind == "kid" else frechet_distance


def screening_images(images: int, *, kind: Kind) -> int:
    """Return how many of `images` a quick look takes, against all photographs. images: of a whole measurement.

    KID is unbiased at any number, and so can be told from few; FD is not, and needs them all.
    """
    return images if kind == "fd" else min(images, max(FEWEST_SCREENED, images // SCREENED_SHARE))


def measure_recall(generated: Array, real: Array) -> float | None:
    """Return recall (Kynkaanniemi et al. 2019) with 5 neighbours; None where a set is too small for them."""
    if min(len(generated), len(real)) <= NEIGHBOURS:
        return None
    return neighbour_scores(generated, real, k=NEIGHBOURS).recall


@dataclass(frozen=True, slots=True)
class Constraints:
    """least_recall, most_copies: what a trial has to hold; None where the photographs cannot support the constraint."""

    least_recall: float | None
    most_copies: int | None

    def violations(self, *, recall: float | None, copies: int | None) -> tuple[float, float]:
        """Return by how much (recall, copies) miss what they have to hold; 0 or less where they hold it."""
        low = 0.0 if self.least_recall is None or recall is None else self.least_recall - recall
        high = 0.0 if self.most_copies is None or copies is None else float(copies - self.most_copies)
        return low, high


def copies_allowed(count: int, *, expected_rate: float) -> int:
    """Return the most copies among `count` images that chance alone explains, at a rate measured on photographs."""
    return int(binom.ppf(COPIES_LEVEL, count, expected_rate))


def check_counts(selection: int, *, kind: Kind) -> None:
    """UserError where the selection photographs are too few for the objective."""
    fewest = 8 if kind == "kid" else 16
    if selection < fewest:
        raise UserError(
            f"{selection} photographs of selection patients are too few for {kind.upper()} ({fewest} or more).",
            "Add photographs, or give --shares with a larger part for selection.",
        )
