"""Rows of the results table: each number with its n, its interval, its feature network, and its floor beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.metrics.checks import check_enough, check_features
from woundgen.metrics.floor import Statistic, at_equal_n, equal_n, half_against_half, spread_of
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.inception_score import inception_score
from woundgen.metrics.intervals import Interval, own_pair_mean_interval, pair_mean_interval
from woundgen.metrics.kernel import kernel_distance, kernel_distance_interval, permutation_p_value
from woundgen.metrics.neighbours import NeighbourScores, neighbour_scores
from woundgen.records import MetricValue
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]

FLOOR = "floor"
MOST_FOR_KERNEL = 1000  # images a side: bounds time and memory; beyond, the photographs' number limits KID


def _neighbour(name: str) -> Callable[[Array, Array], float]:
    return lambda generated, real: float(getattr(neighbour_scores(generated, real), name))


# By registry name; each of (generated [n, d], real [m, d]). The two distances are one formula: see records.py.
FEATURE_METRICS: Mapping[str, Callable[[Array, Array], float]] = {
    "fd": frechet_distance,
    "fid": frechet_distance,
    "kid": kernel_distance,
} | {name: _neighbour(name) for name in NeighbourScores.__slots__}


@dataclass(frozen=True, slots=True)
class Protocol:
    """How sets are measured. n: images on each side; None takes the most that leaves two disjoint draws."""

    k: int = 5
    n: int | None = None
    splits: int = 20
    seed: int = 0
    permutations: int = 999


@dataclass(frozen=True, slots=True)
class Network:
    """The feature network's name and the digest of its weights."""

    name: str
    digest: str


def measure_sets(
    generated: Array,
    real: Array,
    *,
    network: Network,
    protocol: Protocol = Protocol(),
    real_groups: Groups | None = None,
    neighbours: bool = True,
) -> list[MetricValue]:
    """FD (FID where the network is "inception"), KID and neighbour scores of [N, d] against [M, d].

    Two rows a metric: the value, and the row labelled "floor", real half against real half at the same n.
    KID alone is taken over the whole sets (up to 1000 images): its mean over all splits, at whatever n, is
    its value over the whole.
    real_groups: patients; whole patients go to either half, and photographs of one are not independent.
    Raises UserError for fewer than 2 images, features that are not finite or of different length, and
    too few images for a metric or for k.
    """
    check_features(generated=generated, real=real)
    distance = "fid" if network.name == "inception" else "fd"
    names = (distance, *NeighbourScores.__slots__) if neighbours else (distance,)
    n = _checked_n((*names, "kid"), len(generated), len(real), real_groups, protocol)

    def scores(x: Array, y: Array) -> tuple[float, ...]:
        found = neighbour_scores(x, y, k=protocol.k) if neighbours else None
        return frechet_distance(x, y), *(getattr(found, name) for name in names[1:])

    rows = _rows_at_equal_n(names, scores, generated, real, n, network, protocol, real_groups)
    return [*rows, *_kernel_rows(generated, real, n, network, protocol, real_groups)]


def measure_inception_score(
    generated: Array,
    real: Array,
    *,
    network: Network,
    protocol: Protocol = Protocol(),
    real_groups: Groups | None = None,
) -> list[MetricValue]:
    """Of class probabilities [N, classes]; the floor row is the score of real photographs at the same n."""
    check_features(generated=generated, real=real)
    n = _checked_n(("inception_score",), len(generated), len(real), real_groups, protocol)
    return _rows_at_equal_n(
        ("inception_score",),
        lambda x, _: inception_score(x),
        generated,
        real,
        n,
        network,
        protocol,
        real_groups,
    )


def measure_pairs(
    metric: str,
    to_real: Array,
    among_real: Array,
    *,
    network: Network | None,
    real_groups: Groups | None = None,
) -> list[MetricValue]:
    """Mean over pairs of SSIM or of a perceptual distance: [N, M] generated to real, [M, M] among the real.

    The floor is the mean over pairs of photographs of different patients. A mean over pairs does not shift
    with n, so both are taken over all pairs.
    """
    check_features(generated=to_real, real=among_real)
    count, groups = len(among_real), group_codes(real_groups, len(among_real))
    if groups.max() < 2:
        raise UserError(f"{metric} needs photographs of at least 3 patients for its floor.", "Leave it out.")
    value = pair_mean_interval(to_real, column_groups=real_groups)
    floor = own_pair_mean_interval(among_real, groups=real_groups)
    return [
        _row(metric, value, value.text, (len(to_real), count), network),
        _row(metric, floor, floor.text, (count, count), network, FLOOR),
    ]


def _checked_n(
    names: Sequence[str], generated: int, real: int, real_groups: Groups | None, protocol: Protocol
) -> int:
    most = equal_n(generated, real, real_groups)
    n = protocol.n or most
    if n > most:
        raise UserError(
            f"n = {n} is too large for {generated} generated and {real} real images: two disjoint draws of each "
            f"hold at most {most}.",
            "Leave n out, or draw more images.",
        )
    check_enough(names, n)
    return n


def _rows_at_equal_n(
    names: Sequence[str],
    statistic: Statistic,
    generated: Array,
    real: Array,
    n: int,
    network: Network,
    protocol: Protocol,
    real_groups: Groups | None,
) -> list[MetricValue]:
    draws = partial(_as_columns, names)
    splits, seed = protocol.splits, protocol.seed
    values = draws(
        at_equal_n(generated, real, statistic, n=n, splits=splits, seed=seed, real_groups=real_groups)
    )
    floors = draws(half_against_half(real, statistic, n=n, splits=splits, seed=seed, groups=real_groups))
    rows = []
    for j, name in enumerate(names):
        limits = (0.0, 1.0 if name in {"precision", "recall", "coverage", "authenticity"} else np.inf)
        for label, found in (("", values), (FLOOR, floors)):
            spread = spread_of(found[..., j], n=n, limits=limits)
            interval = Interval(spread.mean, spread.low, spread.high, spread.text)
            rows.append(_row(name, interval, interval.text, (n, n), network, label))
    return rows


def _as_columns(names: Sequence[str], values: Array) -> Array:
    return values.reshape(*values.shape[:2], len(names))


def _kernel_rows(
    generated: Array, real: Array, n: int, network: Network, protocol: Protocol, real_groups: Groups | None
) -> list[MetricValue]:
    rng = np.random.default_rng(protocol.seed)
    codes = group_codes(real_groups, len(real))
    if codes.max() < 2:
        raise UserError("kid needs photographs of at least 3 patients.", "Leave the patients out, or kid.")
    x = generated[_at_most(len(generated), rng)]
    some = _at_most(len(real), rng)
    groups = None if real_groups is None else codes[some].tolist()
    value = kernel_distance_interval(x, real[some], real_groups=groups)
    one_each = rng.permutation(some)
    one_each = one_each[np.unique(codes[one_each], return_index=True)[1]]
    p = permutation_p_value(x, real[one_each], permutations=protocol.permutations, seed=protocol.seed)
    told = "" if real_groups is None else ", one photograph a patient"
    halves = half_against_half(
        real, kernel_distance, n=n, splits=protocol.splits, seed=protocol.seed, groups=real_groups
    )
    spread = spread_of(halves, n=n)
    floor = Interval(spread.mean, spread.low, spread.high, spread.text)
    text = f"{value.text}; permutation p = {p:.3g}{told}"
    return [
        _row("kid", value, text, (len(x), len(some)), network),
        _row("kid", floor, floor.text, (n, n), network, FLOOR),
    ]


def _at_most(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return np.sort(rng.permutation(count)[:MOST_FOR_KERNEL])


def _row(
    metric: str, found: Interval, text: str, n: tuple[int, int], network: Network | None, label: str = ""
) -> MetricValue:
    return MetricValue(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        interval=text,
        n=n,
        network=network.name if network else None,
        digest=network.digest if network else None,
        label=label,
    )
