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
