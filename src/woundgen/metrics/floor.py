"""Floor of a metric: its value for perfect images, and its spread from draw to draw, at the same n.

Most scores of image sets depend on n: at n = 100 the Frechet distance of two samples of ONE distribution is
nearer to 1 than to 0 of the features' variance. So a score is taken at equal n on both sides and set beside
its floor: the same score of one random half of the real photographs against the other half.

Spread at this n. A set is dealt into B disjoint blocks of n. Blocks of independent images are independent
draws, so the variance among the B values of one deal is an unbiased estimate of the variance from draw to
draw, for any statistic; many deals only make it steadier. With a single block (a floor at n = half of the
photographs) the values are of halves of the same photographs, which leaves out how much other photographs would move
all halves together: then the variance comes from two disjoint pairs at n / 2, where it is larger.

The bounds are to hold 90 % of NEW draws. Their centre is a mean of B draws and so varies itself, by 1 / B of the
variance, and the variance is estimated from few photographs: Student's t with SPARE degrees of freedom. Statistics
that cannot be below 0 are skewed, the more so with heavy tails, and are taken by their logarithm. Simulated in
tests/unit/metrics/test_floor.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from woundgen.metrics.splits import disjoint_blocks, smallest_pile
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]
Values = npt.NDArray[np.float64]
Statistic = Callable[[Array, Array], float | tuple[float, ...]]  # of (generated, real); one value or several

MOST_BLOCKS = 4
SPARE = 2.25  # degrees of freedom of the variance from draw to draw: what heavy tails leave of 70 to 200 images
SPARE_OF_KERNELS = 1.5  # a cubic kernel's tails are heavier still, and its values have no logarithm


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over deals, and where 90 % of draws of this size lie. `text` says what the bounds are."""

    mean: float
    low: float
    high: float
    sd: float
    text: str


def equal_n(generated: int, real: int, real_groups: Groups | None = None) -> int:
    """The largest n for two disjoint draws of each set: the n at which value and floor can be compared."""
    return min(generated // 2, smallest_pile(group_codes(real_groups, real), 2))


def at_equal_n(
    generated: Array,
    real: Array,
    statistic: Statistic,
    *,
    n: int,
    splits: int = 20,
    seed: int = 0,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
) -> Values:
    """[splits, blocks] values (and one axis more where the statistic has several) at n against n.

    Blocks of one deal share no image on either side.
    generated_groups: where the first set is of photographs, too (those trained on).
    """
    rng = np.random.default_rng(seed)
    firsts, codes = group_codes(generated_groups, len(generated)), group_codes(real_groups, len(real))
    blocks = min(_blocks_that_fit(firsts, n), _blocks_that_fit(codes, n), MOST_BLOCKS)
    values = []
    for _ in range(splits):
        pairs = zip(disjoint_blocks(firsts, blocks, n, rng), disjoint_blocks(codes, blocks, n, rng), strict=True)
        values.append([statistic(generated[x], real[y]) for x, y in pairs])
    return np.asarray(values, np.float64)


def half_against_half(
    features: Array,
    statistic: Statistic,
    *,
    n: int,
    splits: int = 20,
    seed: int = 0,
    groups: Groups | None = None,
    through: Array | None = None,
) -> Values:
    """The floor: [splits, pairs] values of n images against n others of the same set, no group on both sides.

    Where 4 n images fit there are two pairs or more a deal, which share no image.
    through: row i made from photograph i, as by the autoencoder. The first side is then taken from it, on the
    same splits: the ceiling. No photograph is held against its own copy, which would flatter.
    """
    rng = np.random.default_rng(seed)
    codes = group_codes(groups, len(features))
    first = features if through is None else through
    assert len(first) == len(features), "row i of both is photograph i"
    pairs = min(_blocks_that_fit(codes, n) // 2, MOST_BLOCKS)
    assert pairs, f"{len(features)} images hold no two disjoint sets of {n}"
    values = []
    for _ in range(splits):
        blocks = disjoint_blocks(codes, 2 * pairs, n, rng)
        values.append([statistic(first[x], features[y]) for x, y in zip(blocks[::2], blocks[1::2], strict=True)])
    return np.asarray(values, np.float64)


def spread_of(
    values: Values,
    *,
    n: int,
    limits: tuple[float, float] = (-np.inf, np.inf),
    smaller: Values | None = None,
    spare: float = SPARE,
) -> Spread:
    """Of [splits, blocks], as at_equal_n and half_against_half return it for a statistic with one value.

    limits: what the statistic cannot pass, nor therefore the bounds. smaller: where `values` has a single block, the
    same at n // 2 with two blocks or more; without it the bounds are those of the same photographs, which is said.
    spare: degrees of freedom of Student's t.
    """
    splits, blocks = values.shape
    mean = float(values.mean())
    if blocks == 1 and smaller is None:
        low, high = np.clip(np.quantile(values, (0.05, 0.95)), *limits)
        text = f"5-95 % over {splits} random halves of n = {n} of the same photographs; new ones vary more"
        return Spread(mean, float(low), float(high), float(values.std()), text)
    is_skewed = limits == (0.0, np.inf) and values.min() > 0 and (smaller is None or smaller.min() > 0)
    scaled = np.log(values) if is_skewed else values
    if blocks > 1:
        variance = float(scaled.var(axis=1, ddof=1).mean())
        text = f"5-95 % of new draws of n = {n} (from {splits} deals into {blocks} disjoint blocks)"
    else:
        assert smaller is not None
        halves = np.log(smaller) if is_skewed else smaller
        variance = float(halves.var(axis=1, ddof=1).mean())
        text = (
            f"5-95 % of new draws of n = {n} (from {len(smaller)} deals into {smaller.shape[1]} pairs of n = {n // 2})"
        )
    half_width = float(student.ppf(0.95, spare)) * np.sqrt(variance * (1 + 1 / blocks))
    ends = scaled.mean() + np.array([-half_width, half_width])
    low, high = np.clip(np.exp(ends) if is_skewed else ends, *limits)
    deviation = np.sqrt(variance) * (mean if is_skewed else 1.0)
    return Spread(mean, float(low), float(high), float(deviation), text)


def _blocks_that_fit(codes: npt.NDArray[np.intp], n: int) -> int:
    blocks = len(codes) // n
    while blocks and smallest_pile(codes, blocks) < n:
        blocks -= 1
    return blocks
