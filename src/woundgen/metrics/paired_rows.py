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
    seed: int = 0,
) -> list[PairedValue]:
    """FD (FID for Inception) and KID of candidate less those of reference [N, d], row i of both the same seed.

    Both values, their difference, its interval and p are of one estimate: all seeds against all photographs.
    """
    check_features(candidate=candidate, reference=reference, real=real)
    _refuse_other_seeds(candidate, reference)
    statistics: dict[str, SetStatistic] = {
        "fid" if network.name == "inception" else "fd": frechet_distance,
        "kid": kernel_distance,
    }
    rows = []
    for metric, statistic in statistics.items():
        found = paired_set_difference(statistic, candidate, reference, real, real_groups=real_groups, seed=seed)
        values = statistic(candidate, real), statistic(reference, real)
        rows.append(_row(metric, found, values, (len(candidate), len(real)), network))
    return rows


def pair_scores(
    metric: str,
    candidate: Array,
    reference: Array,
    *,
    network: Network | None = None,
    real_groups: Groups | None = None,
) -> PairedValue:
    """Mean of candidate less reference, scores [N, M] of seeds to photographs.

    Both are samples: interval and p are for other seeds and other photographs, patients whole.
    """
    _refuse_other_seeds(candidate, reference)
    found = pair_mean_interval(candidate - reference, column_groups=real_groups)
    values = float(candidate.mean()), float(reference.mean())
    return _row(metric, found, values, candidate.shape, network)


def _refuse_other_seeds(candidate: Array, reference: Array) -> None:
    if len(candidate) != len(reference):
        raise UserError(
            f"{len(candidate)} and {len(reference)} images: not the same seeds.", "Draw both with the same count."
        )


def _row(
    metric: str, found: Interval, values: tuple[float, float], n: tuple[int, ...], network: Network | None
) -> PairedValue:
    assert found.p is not None, "the jackknife gives a p"
    return PairedValue(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        interval=f"{found.text}, over seeds and photographs",
        p=found.p,
        n=(n[0], n[1]),
        network=network.name if network else None,
        digest=network.digest if network else None,
        candidate=values[0],
        reference=values[1],
    )
