"""Differences between two sets drawn on the same seeds, as rows: each with interval, p-value, n and network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from woundgen.errors import UserError
from woundgen.metrics.checks import check_features
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.intervals import Interval, pair_mean_interval
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.paired import (
    SetStatistic,
    paired_set_difference,
    sign_flip_p_value,
    swap_p_value,
)
from woundgen.metrics.rows import Network
from woundgen.records import PairedValue
from woundgen.similarity.groups import Groups

Array = npt.NDArray[np.floating]


def pair_sets(
    candidate: Array,
    reference: Array,
    real: Array,
    *,
    network: Network,
    real_groups: Groups | None = None,
    permutations: int = 199,
    seed: int = 0,
) -> list[PairedValue]:
    """FD (FID for Inception) and KID of candidate less those of reference [N, d], row i of both the same seed."""
    check_features(candidate=candidate, reference=reference, real=real)
    _refuse_other_seeds(candidate, reference)
    statistics: dict[str, SetStatistic] = {
        "fid" if network.name == "inception" else "fd": frechet_distance,
        "kid": kernel_distance,
    }
    rows = []
    for metric, statistic in statistics.items():
        found = paired_set_difference(statistic, candidate, reference, real, real_groups=real_groups, seed=seed)
        p = swap_p_value(statistic, candidate, reference, real, permutations=permutations, seed=seed)
        rows.append(_row(metric, found, p, (len(candidate), len(real)), network, "over seeds and photographs"))
    return rows


def pair_scores(
    metric: str,
    candidate: Array,
    reference: Array,
    *,
    network: Network | None = None,
    real_groups: Groups | None = None,
    seed: int = 0,
) -> PairedValue:
    """Mean of candidate less reference, scores [N, M] of seeds to photographs.

    Both are samples: the interval is for other seeds and other photographs, patients whole. The p-value exchanges
    the sets, seed by seed, over the photographs that are there.
    """
    _refuse_other_seeds(candidate, reference)
    found = pair_mean_interval(candidate - reference, column_groups=real_groups)
    p = sign_flip_p_value(candidate.mean(axis=1), reference.mean(axis=1), seed=seed)
    return _row(metric, found, p, candidate.shape, network, "over seeds and photographs")


def _refuse_other_seeds(candidate: Array, reference: Array) -> None:
    if len(candidate) != len(reference):
        raise UserError(
            f"{len(candidate)} and {len(reference)} images: not the same seeds.", "Draw both with the same count."
        )


def _row(
    metric: str, found: Interval, p: float, n: tuple[int, ...], network: Network | None, units: str
) -> PairedValue:
    return PairedValue(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        interval=f"{found.text}, {units}",
        p=p,
        n=(n[0], n[1]),
        network=network.name if network else None,
        digest=network.digest if network else None,
    )
