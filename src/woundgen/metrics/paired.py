"""Differences between two generated sets drawn on the same seeds, so that row i of both shares its noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from woundgen.metrics.intervals import Interval, Jackknife, jackknife_interval, mean_interval
from woundgen.metrics.splits import deal
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]
SetStatistic = Callable[[Array, Array], float]  # of (generated, real)


def paired_difference(first: Array, second: Array, *, groups: Groups | None = None, level: float = 0.95) -> Interval:
    """Mean of first - second, scores of the same seeds [n]: Student's paired interval where ungrouped."""
    return mean_interval(np.asarray(first) - np.asarray(second), groups=groups, level=level)


def sign_flip_p_value(first: Array, second: Array, *, permutations: int = 999, seed: int = 0) -> float:
    """Two-sided and exact, if either set could as well have been the other, seed by seed (Fisher 1935)."""
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (permutations, len(differences)))
    return _share_as_large(signs @ differences / len(differences), differences.mean())


def paired_set_difference(
    statistic: SetStatistic,
    first: Array,
    second: Array,
    real: Array,
    *,
    real_groups: Groups | None = None,
    folds: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """statistic(first, real) - statistic(second, real), both sets [n, d] on the same seeds.

    Jackknife that leaves out one fold of seeds (from both sets) or one fold of photographs at a time, groups
    whole. For KID the interval is for the population difference. For the Frechet distance it is for the
    difference expected AT THIS n: most, not all, of the bias cancels.
    """
    assert len(first) == len(second), "paired sets have the same seeds"

    def difference(seeds: slice | Array, photographs: slice | Array) -> float:
        reference = real[photographs]
        return statistic(first[seeds], reference) - statistic(second[seeds], reference)

    rng, every = np.random.default_rng(seed), slice(None)
    of_seeds = deal(np.arange(len(first)), min(folds, len(first)), rng)
    codes = group_codes(real_groups, len(real))
    of_photographs = deal(codes, min(folds, int(codes.max()) + 1), rng)
    without_seeds = [difference(np.delete(np.arange(len(first)), fold), every) for fold in of_seeds]
    without_photographs = [difference(every, np.delete(np.arange(len(real)), fold)) for fold in of_photographs]
    jackknives = [
        Jackknife(np.array(without_seeds), np.array([len(fold) for fold in of_seeds])),
        Jackknife(np.array(without_photographs), np.array([len(fold) for fold in of_photographs])),
    ]
    return jackknife_interval(difference(every, every), jackknives, level=level, kind="delete-fold")


def swap_p_value(
    statistic: SetStatistic,
    first: Array,
    second: Array,
    real: Array,
    *,
    permutations: int = 199,
    seed: int = 0,
) -> float:
    """Two-sided and exact for any statistic at any n, if either set could as well have been the other."""
    rng = np.random.default_rng(seed)

    def difference(swapped: npt.NDArray[np.bool_]) -> float:
        one = np.where(swapped[:, None], second, first)
        other = np.where(swapped[:, None], first, second)
        return statistic(one, real) - statistic(other, real)

    observed = difference(np.zeros(len(first), bool))
    shuffled = [difference(rng.random(len(first)) < 0.5) for _ in range(permutations)]
    return _share_as_large(np.array(shuffled), observed)


def _share_as_large(shuffled: Array, observed: float) -> float:
    as_large = np.abs(shuffled) >= abs(observed) * (1 - 1e-12)  # equal up to rounding is equal
    return float((1 + as_large.sum()) / (1 + len(shuffled)))
