"""How a measured number becomes a row of the results table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from woundgen.metrics.floor import SPARE, SPARE_OF_KERNELS, Values, spread_of
from woundgen.metrics.intervals import Interval
from woundgen.records import MetricValue

FLOOR, CEILING, TRAINING = "floor", "ceiling", "training"  # what stands beside a value, of the same metric
WHOLE_SETS = "whole sets, as pytorch-fid"
LIMITS = dict.fromkeys(("precision", "recall", "coverage", "authenticity"), (0.0, 1.0)) | dict.fromkeys(
    ("fd", "fid", "density", "mesh_4", "mesh_2", "sharpness_ratio"), (0.0, np.inf)
)


@dataclass(frozen=True, slots=True)
class Network:
    """The feature network's name and the digest of its weights."""

    name: str
    digest: str


def spread_row(
    metric: str, values: Values, n: int, network: Network | None, label: str = "", *, smaller: Values | None = None
) -> MetricValue:
    """Of [splits, blocks] values taken at n against n, and for a single block others at n // 2 (floor.py)."""
    limits = LIMITS.get(metric, (-np.inf, np.inf))
    spread = spread_of(
        values, n=n, limits=limits, smaller=smaller, spare=SPARE_OF_KERNELS if metric == "kid" else SPARE
    )
    found = Interval(spread.mean, spread.low, spread.high, spread.text)
    return replace(row(metric, found, (n, n), network, label), splits=tuple(values.ravel().tolist()))


def row(metric: str, found: Interval, n: tuple[int, int], network: Network | None, label: str = "") -> MetricValue:
    return MetricValue(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        interval=found.text,
        n=n,
        network=network.name if network else None,
        digest=network.digest if network else None,
        label=label,
    )
