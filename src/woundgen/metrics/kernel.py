"""Kernel distance (KID): squared maximum mean discrepancy with a cubic kernel.

Binkowski, Sutherland, Arbel & Gretton, "Demystifying MMD GANs" (2018); the estimator is the unbiased one of
Gretton et al., "A kernel two-sample test" (2012), lemma 6, over the WHOLE of both sets. The customary mean of
100 subsets of 1000 is, at n <= 1000, the same number a hundred times with a spread of 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from woundgen.metrics.intervals import Interval, Jackknife, jackknife_interval, own_pair_mean_interval
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]


def polynomial_kernel(left: Array, right: Array) -> npt.NDArray[np.float64]:
    """[N, M]: (x.y / d + 1)^3."""
    products = np.asarray(left, np.float64) @ np.asarray(right, np.float64).T
    return (products / left.shape[1] + 1) ** 3


def kernel_distance(generated: Array, real: Array) -> float:
    """Unbiased, so it is below 0 about half the time where both sets come from one distribution."""
    kernel, sides = _pooled(generated, real)
    return float(_u_statistics(kernel, sides[None], ~sides[None])[0])


def kernel_distance_interval(
    generated: Array, real: Array, *, real_groups: Groups | None = None, level: float = 0.95
) -> Interval:
    """Jackknife over generated images and over groups of real ones, with Student's t.

    Groups widen the interval and leave the value: pairs of photographs of one patient stay in it, and raise
    it by their share of all pairs times their excess likeness.

    Honest for the population value where the distributions differ. Where they are the same the statistic is
    degenerate, its jackknife variance about twice too large, and the interval too wide: for "is there any
    difference" use the permutation p-value.
    """
    kernel, sides = _pooled(generated, real)
    codes = group_codes(real_groups, len(real)) + len(generated)
    pooled = np.concatenate((np.arange(len(generated)), codes))
    value = float(_u_statistics(kernel, sides[None], ~sides[None])[0])
    jackknives = []
    for side in (sides, ~sides):
        units, sizes = np.unique(pooled[side], return_counts=True)
        kept = pooled != units[:, None]  # [units, images]
        left_out = _u_statistics(kernel, sides & kept, ~sides & kept)
        jackknives.append(Jackknife(left_out, sizes))
    kind = "delete-one" if real_groups is None else "delete-one and delete-group"
    return jackknife_interval(value, jackknives, level=level, kind=kind)


def round_trip_distance(
    reconstructed: Array, real: Array, *, groups: Groups | None = None, level: float = 0.95
) -> Interval:
    """KID between photographs [N, d] and the same photographs after the autoencoder, row by row.

    The unbiased one-sample estimator of Gretton et al. 2012, without pairs within a photograph or group: against its
    reconstruction a photograph would flatter. Jackknife over groups, three or more, each left out on both sides.
    """
    apart = polynomial_kernel(reconstructed, real)
    within = polynomial_kernel(reconstructed, reconstructed) + polynomial_kernel(real, real)
    return own_pair_mean_interval(within - apart - apart.T, groups=groups, level=level)


def permutation_p_value(
    generated: Array,
    real: Array,
    *,
    permutations: int = 999,
    seed: int = 0,
    generated_groups: Groups | None = None,
    real_groups: Groups | None = None,
) -> float:
    """Probability, if both sets came from one distribution, of a KID at least as large; exact at any n.

    Whole groups change sides. That is exact where the groups of both sides are alike in kind (patients and
    patients). It is not for patients with several photographs each against independent draws: give one
    photograph a patient there.
    """
    kernel, sides = _pooled(generated, real)
    codes = group_codes(generated_groups, len(generated))
    codes = np.concatenate((codes, group_codes(real_groups, len(real)) + len(generated)))
    _, first, unit = np.unique(codes, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(sides[first], (permutations, 1)), axis=1)[:, unit]
    observed = _u_statistics(kernel, sides[None], ~sides[None])[0]
    # Equal up to rounding counts as equal: with few images the same partition comes up again.
    as_large = _u_statistics(kernel, shuffled, ~shuffled) >= observed - 1e-12 * abs(observed)
    return float((1 + as_large.sum()) / (1 + permutations))


def _pooled(generated: Array, real: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Kernel of both sets together, and which rows are generated: a partition is then a mask."""
    both = np.concatenate((generated, real))
    return polynomial_kernel(both, both), np.arange(len(both)) < len(generated)


def _u_statistics(
    kernel: npt.NDArray[np.float64], left: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """[P] unbiased MMD^2 of P pairs of subsets, given as masks [P, images]."""
    x, y = left.astype(np.float64), right.astype(np.float64)
    n, m = x.sum(axis=1), y.sum(axis=1)
    diagonal = np.diag(kernel)
    x_sums, y_sums = x @ kernel, y @ kernel
    within_x = ((x_sums * x).sum(axis=1) - x @ diagonal) / (n * (n - 1))
    within_y = ((y_sums * y).sum(axis=1) - y @ diagonal) / (m * (m - 1))
    return within_x + within_y - 2 * (x_sums * y).sum(axis=1) / (n * m)
