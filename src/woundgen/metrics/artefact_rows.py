"""Rows of the results table for artefacts: each with its floor, and with ceiling and training row where they exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from woundgen.metrics.artefacts import ARTEFACTS, Array, artefact_statistics, bootstrap_artefacts
from woundgen.metrics.checks import check_enough, check_features
from woundgen.metrics.floor import Values, at_equal_n, equal_n, half_against_half
from woundgen.metrics.intervals import Interval
from woundgen.metrics.rows import CEILING, FLOOR, TRAINING, row, spread_row
from woundgen.metrics.table import DEFAULT_PROTOCOL, NOTHING_BESIDE, Beside, Protocol
from woundgen.records import MetricValue
from woundgen.similarity.groups import Groups

RESAMPLES = 1000
LEVEL = 0.95


def measure_artefacts(
    generated: Array,
    real: Array,
    *,
    protocol: Protocol = DEFAULT_PROTOCOL,
    real_groups: Groups | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> list[MetricValue]:
    """Rows of ARTEFACTS for traces [N, 14] and [M, 14] of `image_traces`; `beside` holds traces, too.

    The values are of whole sets, with percentiles of a bootstrap over images and patients: none of the statistics
    shifts with n. Their floors, as everywhere, are those of a random half of the photographs against the other half.
    Raises UserError for too few images or too large a protocol.n.
    """
    check_features(generated=generated, real=real)
    n = protocol.n or equal_n(len(generated), len(real), real_groups)
    check_enough(ARTEFACTS, n)
    resampled = bootstrap_artefacts(generated, real, real_groups=real_groups, resamples=RESAMPLES, seed=protocol.seed)
    tail = (1 - LEVEL) / 2
    bounds = np.quantile(resampled[1:], (tail, 1 - tail), axis=0)
    units = "images" if real_groups is None else "images and patients"
    text = f"{LEVEL:.0%} bootstrap percentiles over {units}, {RESAMPLES} resamples"
    beside_rows = _beside_rows(generated, real, n, protocol, real_groups, beside)
    rows = []
    for column, name in enumerate(ARTEFACTS):
        found = Interval(float(resampled[0, column]), float(bounds[0, column]), float(bounds[1, column]), text)
        at_n = tuple(beside_rows[""][..., column].ravel().tolist())  # to be paired with another set's
        rows.append(replace(row(name, found, (len(generated), len(real)), None), splits=at_n))
        rows += [
            spread_row(name, values[..., column], n, None, label) for label, values in beside_rows.items() if label
        ]
    return rows


def _beside_rows(
    generated: Array, real: Array, n: int, protocol: Protocol, groups: Groups | None, beside: Beside
) -> dict[str, Values]:
    """[splits, blocks, 5] at n by label; that of the set itself under ""."""

    def against_real(first: Array, first_groups: Groups | None) -> Values:
        return at_equal_n(
            first, real, artefact_statistics,
            n=n, splits=protocol.splits, seed=protocol.seed, real_groups=groups, generated_groups=first_groups,
        )  # fmt: skip

    def halves(through: Array | None) -> Values:
        return half_against_half(
            real, artefact_statistics,
            n=n, splits=protocol.splits, seed=protocol.seed, groups=groups, through=through,
        )  # fmt: skip

    found = {"": against_real(generated, None), FLOOR: halves(None)}
    if beside.through is not None:
        found[CEILING] = halves(beside.through)
    if beside.training is not None and len(beside.training) >= n:
        found[TRAINING] = against_real(beside.training, beside.training_groups)
    return found
