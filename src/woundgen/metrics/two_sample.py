"""Classifier two-sample test: how often a classifier tells apart images of two sets that it was not trained on.

Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests": 50 % means that it cannot. A feature network sees only
what it was trained to see; this classifier is trained on the two sets at hand.

Cross-fitted: each side is dealt into folds, groups whole, and a classifier that saw no image of its group judges each
image. Value, floor (half of the photographs against the other half) and ceiling (photographs after the autoencoder
against OTHER photographs) are taken with the same number of images a side, for a classifier gets better with more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from woundgen.metrics.intervals import Interval
from woundgen.metrics.rows import CEILING, FLOOR
from woundgen.metrics.splits import deal, disjoint_blocks, smallest_pile
from woundgen.similarity.groups import Groups, group_codes

Images: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.intp]
Array: TypeAlias = npt.NDArray[np.float64]

FOLDS = 4
DEALS = 2  # of either set into two parts: so each image is judged once or twice


@dataclass(frozen=True, slots=True)
class Verdicts:
    """logits [Q]: above 0 where an image is taken for one of the first set. patches [Q, P]: of its crops."""

    logits: Array
    patches: Array


Fit: TypeAlias = Callable[[Images, Images, Images, int], Verdicts]  # (first, second, query, seed)


@dataclass(frozen=True, slots=True)
class SampleSide:
    """images: uint8 [N, S, S, 3]. rows [n]: those that take part. units [n]: what counts as one independent case."""

    images: Images
    rows: Rows
    units: Rows


@dataclass(frozen=True, slots=True)
class Task:
    """One fit: what it is trained on, and the rows of either side that it then judges (places in Side.rows)."""

    sides: tuple[SampleSide, SampleSide]
    held_out: tuple[Rows, Rows]
    seed: int

    def run(self, fit: Fit) -> Verdicts:
        train = [side.images[np.delete(side.rows, out)] for side, out in zip(self.sides, self.held_out, strict=True)]
        query = [side.images[side.rows[out]] for side, out in zip(self.sides, self.held_out, strict=True)]
        return fit(train[0], train[1], np.concatenate(query), self.seed)


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Images judged by classifiers that had not seen their group. first: whether of the first set.

    rows, units [n]: of the set it is from. logits [n], patches [n, P]: above 0 where taken for one of the first.
    """

    first: npt.NDArray[np.bool_]
    rows: Rows
    units: Rows
    logits: Array
    patches: Array

    def accuracy(self) -> float:
        """Share of images told right, the mean of both sides."""
        right = (self.logits > 0) == self.first
        return float((right[self.first].mean() + right[~self.first].mean()) / 2)

    def interval(self, *, level: float = 0.95) -> Interval:
        """Exact binomial bounds (Clopper & Pearson 1934), each independent unit counted once.

        For other held-out cases of these classifiers; a patient with several photographs counts as one case, which
        is too wide rather than too narrow.
        """
        value = self.accuracy()
        units = len(np.unique(self.units))
        hits, tail = value * units, (1 - level) / 2
        low = float(beta.ppf(tail, hits, units - hits + 1)) if hits > 0 else 0.0
        high = float(beta.ppf(1 - tail, hits + 1, units - hits)) if hits < units else 1.0
        return Interval(value, low, high, f"{level:.0%} exact binomial, {units} independent cases")


def plan_comparisons(
    generated: Images,
    real: Images,
    *,
    n: int,
    real_groups: Groups | None = None,
    through: Images | None = None,
    seed: int = 0,
) -> dict[str, list[tuple[SampleSide, SampleSide]]]:
    """Label -> DEALS comparisons of n images against n; "" is the set itself.

    through: row i is photograph i after the autoencoder; compared with photographs of the other half only.
    """
    rng = np.random.default_rng(seed)
    codes, singles = group_codes(real_groups, len(real)), np.arange(len(generated))
    assert n <= min(smallest_pile(codes, 2), len(generated) // 2), "two disjoint parts of either set hold n"
    halves = disjoint_blocks(codes, 2, n, rng)
    parts = disjoint_blocks(singles, 2, n, rng)
    others = disjoint_blocks(codes, 2, n, rng)

    def of_real(rows: Rows, images: Images = real) -> SampleSide:
        return SampleSide(images, rows, codes[rows])

    found = {
        "": [
            (SampleSide(generated, part, len(real) + part), of_real(half))
            for part, half in zip(parts, halves, strict=True)
        ],
        FLOOR: [(of_real(first), of_real(second)) for first, second in (halves, others)],
    }
    if through is not None:
        assert len(through) == len(real), "row i of both is photograph i"
        found[CEILING] = [
            (of_real(first, through), of_real(second)) for first, second in (halves, tuple(reversed(halves)))
        ]
    return found


def cross_fit_tasks(sides: tuple[SampleSide, SampleSide], *, folds: int = FOLDS, seed: int = 0) -> list[Task]:
    """A task a fold: groups whole, every image of either side held out once. Fewer folds where there are few groups."""
    rng = np.random.default_rng(seed)
    units = [np.unique(side.units, return_inverse=True)[1] for side in sides]
    folds = min(folds, *(int(codes.max()) + 1 for codes in units))
    assert folds >= 2, "one group cannot be held out and trained on"
    dealt = [deal(codes, folds, rng) for codes in units]
    return [Task(sides, (dealt[0][fold], dealt[1][fold]), int(rng.integers(2**31))) for fold in range(folds)]


def put_together(tasks: Sequence[Task], verdicts: Sequence[Verdicts]) -> HeldOutPredictions:
    """Collect the predictions of the fits of all comparisons."""
    parts = [
        (np.full(len(out), first), side.rows[out], side.units[out])
        for task in tasks
        for first, side, out in zip((True, False), task.sides, task.held_out, strict=True)
    ]
    first, rows, units = (np.concatenate(column) for column in zip(*parts, strict=True))
    logits, patches = (np.concatenate([getattr(one, name) for one in verdicts]) for name in ("logits", "patches"))
    return HeldOutPredictions(first, rows, units, logits, patches)


def permutation_tasks(
    generated: Images,
    real: Images,
    *,
    permutations: int,
    real_groups: Groups | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[list[Task]]:
    """Tasks of the sets as they are, then of as many random exchanges of labels, each to be fitted anew.

    One photograph a patient, as many generated images: only single, independent images can change sides.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(real))
    codes = group_codes(real_groups, len(real))
    singles = order[np.unique(codes[order], return_index=True)[1]]
    n = min(len(singles), len(generated))
    both = np.concatenate([generated[rng.permutation(len(generated))[:n]], real[rng.permutation(singles)[:n]]])
    orders = [np.arange(2 * n), *(rng.permutation(2 * n) for _ in range(permutations))]
    return [
        cross_fit_tasks(
            (SampleSide(both, one[:n], one[:n]), SampleSide(both, one[n:], one[n:])), folds=folds, seed=seed
        )
        for one in orders
    ]


def permutation_p(accuracies: Sequence[float]) -> float:
    """Of the observed accuracy first, then the permuted ones: the share at least as large, exact at any n."""
    observed, *others = accuracies
    return float((1 + sum(other >= observed - 1e-12 for other in others)) / (1 + len(others)))


def telltale_patches(held_out: HeldOutPredictions, *, first: bool, count: int) -> list[tuple[int, int, float]]:
    """(row, patch, logit) of the patches that gave most away, at most one an image; of the second set: least logits."""
    sign = 1 if first else -1
    found: dict[int, tuple[int, float]] = {}
    for k in np.flatnonzero(held_out.first == first):
        patch = int((sign * held_out.patches[k]).argmax())
        value, row = float(held_out.patches[k, patch]), int(held_out.rows[k])
        if row not in found or sign * value > sign * found[row][1]:
            found[row] = patch, value
    ranked = sorted(found.items(), key=lambda item: (-sign * item[1][1], item[0]))
    return [(row, patch, value) for row, (patch, value) in ranked[:count]]
