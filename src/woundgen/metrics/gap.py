"""How much of the distance between the untuned model and perfect images the tuned model has closed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.metrics.checks import check_enough, check_features
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.intervals import Interval, Jackknife, jackknife_interval
from woundgen.metrics.rows import Network, row
from woundgen.metrics.splits import deal, smallest_pile
from woundgen.records import MetricValue
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class GapClosed:
    """share: 1 where tuned images are as near to real halves as those to each other, 0 no gain over base.

    n: images on each side of the three distances. base, tuned, floor: their means over all splits.
    """

    share: Interval
    n: int
    base: float
    tuned: float
    floor: float


def gap_closed(
    base: Array,
    tuned: Array,
    real: Array,
    *,
    real_groups: Groups | None = None,
    folds: int = 20,
    splits: int = 8,
    seed: int = 0,
    level: float = 0.95,
) -> GapClosed:
    """(FD base - FD tuned) / (FD base - FD floor), all three at the same n over the same splits.

    base, tuned [m, d]: drawn on the same seeds. real [N, d], split into random halves A and B: the floor is
    FD(A, B), a model's distance the mean of its FD to A and to B, with the same seeds for both models.

    Interval: photographs (groups whole) and seeds are dealt into folds, and the mean over splits is taken
    again without each fold of both in turn: a delete-fold jackknife of the whole estimate, photographs and
    seeds together (independent samples add). Every term has the same n, a little below half, so that the
    bias of FD is the same in all. A bootstrap would put copies of a photograph into both halves and pull the
    floor to 0; quantiles over splits would leave out that other photographs and seeds could have been drawn.
    The interval is for the share expected at this n.
    """
    assert len(base) == len(tuned), "base and tuned are drawn on the same seeds"
    rng = np.random.default_rng(seed)
    codes, singles = group_codes(real_groups, len(real)), np.arange(len(base))
    photographs = deal(codes, min(folds, int(codes.max()) + 1, len(base)), rng)
    seeds = deal(singles, len(photographs), rng)
    n = min(smallest_pile(codes, 2) - max(map(len, photographs)), len(base) - max(map(len, seeds)))
    if n < 2:
        raise UserError(f"{len(real)} real and {len(base)} generated images are too few to tell the gap closed.")
    distances = np.empty((splits, len(photographs), 3))
    for split in range(splits):
        halves = [rng.permutation(half) for half in deal(codes, 2, rng)]
        order = rng.permutation(len(base))
        for k, (fold, of_seeds) in enumerate(zip(photographs, seeds, strict=True)):
            # The orders stay as they are from fold to fold: terms differ by what is left out, not by chance.
            first, second = (real[_first_without(fold, half, n)] for half in halves)
            rows = _first_without(of_seeds, order, n)
            distances[split, k] = _distances(base[rows], tuned[rows], first, second)
    return _summary(distances.mean(axis=0), [len(fold) for fold in photographs], n, level)


def _first_without(left_out: Rows, order: Rows, n: int) -> Rows:
    return order[~np.isin(order, left_out)][:n]


def _distances(base: Array, tuned: Array, first: Array, second: Array) -> Array:
    """[3]: base, tuned and floor at one split."""
    to_real = [(frechet_distance(x, first) + frechet_distance(x, second)) / 2 for x in (base, tuned)]
    return np.array([*to_real, frechet_distance(first, second)])


def _summary(without_fold: Array, sizes: list[int], n: int, level: float) -> GapClosed:
    base, tuned, floor = map(float, without_fold.mean(axis=0))
    if base <= floor:
        raise UserError(
            f"The base model's FD ({base:.3g}) is not above that of real halves ({floor:.3g}) at n = {n}: "
            "there is no gap to close.",
            "Compare with more images, or leave out the gap closed.",
        )
    jackknife = Jackknife(_share(without_fold), np.array(sizes))
    value = float(_share(without_fold.mean(axis=0)))
    share = jackknife_interval(value, [jackknife], level=level, kind="delete-fold")
    return GapClosed(share, n, base, tuned, floor)


def _share(distances: Array) -> Array:
    base, tuned, floor = np.moveaxis(distances, -1, 0)
    return (base - tuned) / (base - floor)


def measure_gap(
    base: Array,
    tuned: Array,
    real: Array,
    *,
    network: Network,
    seed: int = 0,
    real_groups: Groups | None = None,
) -> list[MetricValue]:
    """One row; the floor is inside the formula. base and tuned [N, d] are drawn on the same seeds."""
    check_features(base=base, tuned=tuned, real=real)
    if len(base) != len(tuned):
        raise UserError(
            f"{len(base)} images of the base model and {len(tuned)} of the tuned one: not the same seeds.",
            "Draw both with the same --count and --seed.",
        )
    check_enough(("gap_closed",), min(len(base), len(real)))
    found = gap_closed(base, tuned, real, real_groups=real_groups, seed=seed)
    return [gap_row(found, network)]


def gap_row(gap: GapClosed, network: Network) -> MetricValue:
    """Return the row of a results table; its interval's text has the three distances."""
    text = f"{gap.share.text}; FD base {gap.base:.4g}, tuned {gap.tuned:.4g}, floor {gap.floor:.4g}"
    return row("gap_closed", replace(gap.share, text=text), (gap.n, gap.n), network)
