"""Rows of the results table: each number with its n, interval and feature network, and its floor beside it.

Two rows a metric at least: the value, and the row labelled "floor", which is the same of real half against
real half. Where there are such sets: "ceiling", photographs after the autoencoder against other photographs,
and "training", photographs trained on against those held out (a model that has them by heart gets that).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.metrics.checks import check_enough, check_features, check_patients
from woundgen.metrics.floor import Statistic, Values, at_equal_n, equal_n, half_against_half
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.inception_score import inception_score
from woundgen.metrics.kernel import kernel_distance, kernel_distance_interval, permutation_p_value, round_trip_distance
from woundgen.metrics.neighbour_scores import NeighbourScores, neighbour_scores
from woundgen.metrics.rows import CEILING, FLOOR, TRAINING, Network, row, spread_row
from woundgen.metrics.splits import smallest_pile
from woundgen.metrics.whole_sets import whole_sets_row
from woundgen.records import METRICS, MetricValue
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]

MOST_FOR_KERNEL = 1000  # images a side: bounds time and memory; beyond, the photographs' number limits KID


def _neighbour(name: str) -> Callable[[Array, Array], float]:
    return lambda generated, real: float(getattr(neighbour_scores(generated, real), name))


# By registry name; each of (generated [n, d], real [m, d]). fd and fid differ by the feature network only.
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


DEFAULT_PROTOCOL = Protocol()


@dataclass(frozen=True, slots=True)
class Beside:
    """Sets that give further rows; None leaves their rows out.

    through [M, d]: row i is real photograph i after the autoencoder. training [K, d]: photographs trained on.
    """

    through: Array | None = None
    training: Array | None = None
    training_groups: Groups | None = None


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True)
class _Sets:
    """Checked sets, and the n at which value, floor, ceiling and training row are taken."""

    generated: Array
    real: Array
    real_groups: Groups | None
    n: int
    protocol: Protocol
    network: Network
    beside: Beside


def measure_sets(
    generated: Array,
    real: Array,
    *,
    network: Network,
    protocol: Protocol = DEFAULT_PROTOCOL,
    real_groups: Groups | None = None,
    neighbours: bool = True,
    beside: Beside = NOTHING_BESIDE,
) -> list[MetricValue]:
    """FD (FID where the network is "inception"), KID and neighbour scores of [N, d] against [M, d].

    KID alone is taken over the whole sets (up to 1000 images): the mean of an unbiased statistic over all
    splits, at whatever n, is its value over the whole.
    real_groups: patients; whole patients go to either half, and photographs of one are not independent.
    Raises UserError for fewer than 2 images, features that are not finite or of different length, and too
    few images for a metric or for k.
    """
    names = (
        "fid" if network.name == "inception" else "fd",
        *(NeighbourScores.__slots__ if neighbours else ()),
    )
    sets = _checked((*names, "kid"), generated, real, real_groups, protocol, network, beside)

    def scores(x: Array, y: Array) -> tuple[float, ...]:
        return frechet_distance(x, y), *(astuple(neighbour_scores(x, y, k=protocol.k)) if neighbours else ())

    whole = [whole_sets_row(generated, real, network)] if network.name == "inception" else []
    return [*_rows_at_equal_n(names, scores, sets), *whole, *_kernel_rows(sets)]


def measure_inception_score(
    generated: Array,
    real: Array,
    *,
    network: Network,
    protocol: Protocol = DEFAULT_PROTOCOL,
    real_groups: Groups | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> list[MetricValue]:
    """Of class probabilities [N, classes]; the floor row is the score of real photographs at the same n."""
    sets = _checked(("inception_score",), generated, real, real_groups, protocol, network, beside)
    return _rows_at_equal_n(("inception_score",), lambda x, _: (inception_score(x),), sets)


def _checked(
    names: tuple[str, ...],
    generated: Array,
    real: Array,
    real_groups: Groups | None,
    protocol: Protocol,
    network: Network,
    beside: Beside,
) -> _Sets:
    check_features(generated=generated, real=real)
    check_features(
        real=real,
        **({} if beside.through is None else {"reconstructed": beside.through}),
        **({} if beside.training is None else {"training": beside.training}),
    )
    most = equal_n(len(generated), len(real), real_groups)
    n = protocol.n or most
    if n > most:
        raise UserError(
            f"n = {n} is too large for {len(generated)} generated and {len(real)} real images: "
            f"two disjoint draws of each hold at most {most}.",
            "Leave n out, or give more images.",
        )
    check_enough(names, n)
    return _Sets(generated, real, real_groups, n, protocol, network, beside)


def _rows_at_equal_n(names: tuple[str, ...], statistic: Statistic, sets: _Sets) -> list[MetricValue]:
    """statistic: of (generated, real), a tuple with one value a name."""
    found = {"": (_against_real(sets.generated, None, statistic, sets), None), FLOOR: _floors(names, statistic, sets)}
    if sets.beside.through is not None:
        found[CEILING] = _floors(names, statistic, sets, sets.beside.through)
    if sets.beside.training is not None and len(sets.beside.training) >= sets.n:
        found[TRAINING] = _against_real(sets.beside.training, sets.beside.training_groups, statistic, sets), None
    return [
        spread_row(
            name, values[..., j], sets.n, sets.network, label, smaller=None if smaller is None else smaller[..., j]
        )
        for j, name in enumerate(names)
        for label, (values, smaller) in found.items()
    ]


def _against_real(first: Array, groups: Groups | None, statistic: Statistic, sets: _Sets) -> Values:
    return at_equal_n(
        first,
        sets.real,
        statistic,
        n=sets.n,
        splits=sets.protocol.splits,
        seed=sets.protocol.seed,
        real_groups=sets.real_groups,
        generated_groups=groups,
    )


def _kernel_rows(sets: _Sets) -> list[MetricValue]:
    rng = np.random.default_rng(sets.protocol.seed)
    codes = group_codes(sets.real_groups, len(sets.real))
    check_patients("kid", codes)
    generated = sets.generated[_at_most(len(sets.generated), rng)]
    some = _at_most(len(sets.real), rng)
    groups = None if sets.real_groups is None else codes[some].tolist()
    value = kernel_distance_interval(generated, sets.real[some], real_groups=groups)
    # Patients with several photographs cannot change sides with single draws: one photograph of each.
    singles = sets.real[some[np.unique(codes[some], return_index=True)[1]]]
    p = permutation_p_value(generated, singles, permutations=sets.protocol.permutations, seed=sets.protocol.seed)
    told = f"{value.text}; permutation p = {p:.3g}" + (", one photograph a patient" if groups else "")
    floors, smaller = _floors(("kid",), kernel_distance, sets)
    rows = [
        # The values of the splits are there to be paired with another set's: same photographs, same seeds.
        replace(
            row("kid", replace(value, text=told), (len(generated), len(some)), sets.network),
            splits=tuple(_against_real(sets.generated, None, kernel_distance, sets).ravel().tolist()),
        ),
        spread_row("kid", floors, sets.n, sets.network, FLOOR, smaller=smaller),
    ]
    if sets.beside.through is not None:
        ceiling = round_trip_distance(sets.beside.through[some], sets.real[some], groups=groups)
        rows.append(row("kid", ceiling, (len(some), len(some)), sets.network, CEILING))
    if sets.beside.training is not None:
        trained = kernel_distance_interval(sets.beside.training[:MOST_FOR_KERNEL], sets.real[some], real_groups=groups)
        count = min(len(sets.beside.training), MOST_FOR_KERNEL)
        rows.append(row("kid", trained, (count, len(some)), sets.network, TRAINING))
    return rows


def _floors(
    names: tuple[str, ...], statistic: Statistic, sets: _Sets, reconstructed: Array | None = None
) -> tuple[Values, Values | None]:
    """The floor, and that at half of n, for its spread; None where a set of that size is too small for a metric."""
    n = sets.n // 2
    least = max(METRICS[name].minimum_n for name in names)
    fits = smallest_pile(group_codes(sets.real_groups, len(sets.real)), 4) >= n
    enough = n >= least and (n > sets.protocol.k or not set(names) & set(NeighbourScores.__slots__))
    smaller = _floor(statistic, sets, reconstructed, n=n) if fits and enough else None
    return _floor(statistic, sets, reconstructed, n=sets.n), smaller


def _floor(statistic: Statistic, sets: _Sets, reconstructed: Array | None, *, n: int) -> Values:
    """Real half against real half; with `reconstructed`, its half against the real other half: the ceiling."""
    protocol = sets.protocol
    return half_against_half(
        sets.real,
        statistic,
        n=n,
        splits=protocol.splits,
        seed=protocol.seed,
        groups=sets.real_groups,
        through=reconstructed,
    )


def _at_most(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rng.permutation(count)[:MOST_FOR_KERNEL]
