"""Figures of merit of readers, each with its values when one patient (or one synthetic image) is left out.

Synthetic is the positive class: sensitivity is the share of synthetic images that a reader calls synthetic. A reader's
missing answers are NaN. Every figure here is a function of means over the two sides, so that leaving out a group that
lies on one side needs no second pass over the answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Array = npt.NDArray[np.float64]
SideMeans = Callable[[Array, Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """synthetic: bool [N]. groups: int [N], the patient of a photograph; a synthetic image is a group of its own.

    A group lies on one side. Codes count from 0 without gaps.
    """

    synthetic: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.intp]

    def __post_init__(self) -> None:
        sides = {(int(g), bool(s)) for g, s in zip(self.groups, self.synthetic, strict=True)}
        assert len(sides) == len(set(self.groups.tolist())), "a group lies on one side"

    @property
    def count(self) -> int:
        """Groups in all."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    def groups_on(self, synthetic: bool) -> int:
        """Groups on one side."""
        return len(set(self.groups[self.synthetic == synthetic].tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class Merit:
    """value: [J], of each reader. left_out: [J, G], without each group. answered: [J], how many answers it rests on.

    independent: cases that would have the same precision as a share: those of a side for a number of that side, the
    harmonic number for the mean of two sides, and those of the smaller side for the area under the curve.
    """

    value: Array
    left_out: Array
    answered: npt.NDArray[np.intp]
    independent: int


def sensitivity(calls: Array, cases: Cases) -> Merit:
    """Share of synthetic images called synthetic. calls: [J, N], 1 synthetic, 0 real, NaN not answered."""
    return _of_sides(calls, calls, cases, lambda synthetic, real: synthetic, use=(True, False))


def specificity(calls: Array, cases: Cases) -> Merit:
    """Share of photographs called real."""
    return _of_sides(calls, calls, cases, lambda synthetic, real: 1 - real, use=(False, True))


def accuracy(calls: Array, cases: Cases) -> Merit:
    """Mean of sensitivity and specificity: 0.5 for a reader who cannot tell, whatever the mixture and the habit."""
    return _of_sides(calls, calls, cases, lambda synthetic, real: (synthetic + 1 - real) / 2)


def d_prime(calls: Array, cases: Cases) -> Merit:
    """z(hit rate) - z(false-alarm rate), with the log-linear correction (Hautus 1995): half an answer is added."""
    counts = [np.isfinite(calls[:, cases.synthetic == side]).sum(axis=1)[:, None] for side in (True, False)]

    def corrected(synthetic: Array, real: Array) -> Array:
        n, m = (count if synthetic.ndim == 2 else count[:, 0] for count in counts)
        return norm.ppf((synthetic * n + 0.5) / (n + 1)) - norm.ppf((real * m + 0.5) / (m + 1))

    return _of_sides(calls, calls, cases, corrected)


def auc(ratings: Array, cases: Cases) -> Merit:
    """Empirical area under the ROC curve, ties as one half. ratings: [J, N], larger is more surely synthetic.

    The components are those of DeLong, DeLong & Clarke-Pearson (1988): the mean over one side of the share of the other
    side that is rated lower. Without a group, the mean is over the rest.
    """
    components = np.full(ratings.shape, np.nan)
    for row, own in zip(components, ratings, strict=True):
        for side in (True, False):
            mine, others = cases.synthetic == side, own[cases.synthetic != side]
            others = np.sort(others[np.isfinite(others)])
            if not len(others):
                continue
            below = np.searchsorted(others, own[mine], "left"), np.searchsorted(others, own[mine], "right")
            share = (below[0] + below[1]) / (2 * len(others))
            row[mine] = np.where(np.isfinite(own[mine]), share if side else 1 - share, np.nan)
    # Both sides' means are the area; leaving a group out moves the mean of its own side alone.
    value = _means(components, cases.synthetic)
    left_out = np.empty((len(ratings), cases.count))
    of_group = _side_of_groups(cases)
    for side in (True, False):
        left_out[:, of_group == side] = _means_without(components, cases, side)[:, of_group == side]
    independent = min(cases.groups_on(True), cases.groups_on(False))
    return Merit(value, left_out, np.isfinite(ratings).sum(axis=1), independent)


def share(values: Array, cases: Cases, *, synthetic: bool | None = None) -> Merit:
    """Mean of values [J, N] over one side, or over all cases where `synthetic` is None."""
    if synthetic is None:
        everything = Cases(np.ones(len(cases.synthetic), bool), cases.groups)
        return _of_sides(values, values, everything, lambda mean, _: mean, use=(True, False))
    use = (synthetic, not synthetic)
    return _of_sides(values, values, cases, lambda first, second: first if synthetic else second, use=use)


def difference(values: Array, cases: Cases) -> Merit:
    """Mean of values [J, N] over synthetic images less the mean over photographs."""
    return _of_sides(values, values, cases, lambda synthetic, real: synthetic - real)


def _of_sides(
    first: Array, second: Array, cases: Cases, combine: SideMeans, *, use: tuple[bool, bool] = (True, True)
) -> Merit:
    """combine(mean over synthetic, mean over real); use: which of the two sides it rests on."""
    synthetic, real = _means(first, cases.synthetic), _means(second, ~cases.synthetic)
    value = combine(synthetic, real)
    of_group = _side_of_groups(cases)
    without_synthetic = np.where(of_group, _means_without(first, cases, True), synthetic[:, None])
    without_real = np.where(of_group, real[:, None], _means_without(second, cases, False))
    left_out = combine(without_synthetic, without_real)
    rests_on = (cases.synthetic & use[0]) | (~cases.synthetic & use[1])
    on = [cases.groups_on(side) for side, used in zip((True, False), use, strict=True) if used]
    independent = on[0] if len(on) == 1 else int(4 / (1 / max(on[0], 1) + 1 / max(on[1], 1)))
    return Merit(value, left_out, np.isfinite(first[:, rests_on]).sum(axis=1), independent)


def _side_of_groups(cases: Cases) -> npt.NDArray[np.bool_]:
    side = np.zeros(cases.count, bool)
    side[cases.groups] = cases.synthetic
    return side


def _means(values: Array, rows: npt.NDArray[np.bool_]) -> Array:
    chosen = values[:, rows]
    count = np.isfinite(chosen).sum(axis=1)
    return np.divide(np.nansum(chosen, axis=1), count, out=np.full(len(values), np.nan), where=count > 0)


def _means_without(values: Array, cases: Cases, side: bool) -> Array:
    """[J, G]: means over `side` without each group; for groups of the other side the mean as it is."""
    rows = cases.synthetic == side
    chosen, groups = np.nan_to_num(values[:, rows]), cases.groups[rows]
    here = np.isfinite(values[:, rows]).astype(np.float64)
    sums = np.stack([np.bincount(groups, weights=row, minlength=cases.count) for row in chosen])
    counts = np.stack([np.bincount(groups, weights=row, minlength=cases.count) for row in here])
    left = counts.sum(axis=1, keepdims=True) - counts
    total = sums.sum(axis=1, keepdims=True) - sums
    return np.divide(total, left, out=np.full(total.shape, np.nan), where=left > 0)
