"""Rows of the results table for scores of pairs of images: SSIM, LPIPS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from woundgen.metrics.checks import check_features, check_patients
from woundgen.metrics.intervals import own_pair_mean_interval, pair_mean_interval
from woundgen.metrics.rows import CEILING, FLOOR, TRAINING, Network, row
from woundgen.records import MetricValue
from woundgen.similarity.groups import Groups, group_codes

Array = npt.NDArray[np.floating]


def measure_pairs(
    metric: str,
    to_real: Array,
    among_real: Array,
    *,
    network: Network | None = None,
    real_groups: Groups | None = None,
    through_to_real: Array | None = None,
    training_to_real: Array | None = None,
) -> list[MetricValue]:
    """Mean over pairs of SSIM or of a perceptual distance: [N, M] generated to real, [M, M] among the real.

    The floor is the mean over pairs of photographs of different patients. A mean over pairs does not shift
    with n, so all are taken over all pairs.
    through_to_real [M, M]: photographs after the autoencoder to photographs, of different patients (ceiling).
    training_to_real [K, M]: photographs trained on to those held out.
    """
    check_features(generated=to_real, real=among_real)
    count = len(among_real)
    check_patients(metric, group_codes(real_groups, count))
    value = pair_mean_interval(to_real, column_groups=real_groups)
    floor = own_pair_mean_interval(among_real, groups=real_groups)
    rows = [
        row(metric, value, (len(to_real), count), network),
        row(metric, floor, (count, count), network, FLOOR),
    ]
    if through_to_real is not None:
        # Pair (i, j) is taken both ways round: the mean is the same, and the jackknife expects it.
        both_ways = (through_to_real + through_to_real.T) / 2
        ceiling = own_pair_mean_interval(both_ways, groups=real_groups)
        rows.append(row(metric, ceiling, (count, count), network, CEILING))
    if training_to_real is not None:
        trained = pair_mean_interval(training_to_real, column_groups=real_groups)
        rows.append(row(metric, trained, (len(training_to_real), count), network, TRAINING))
    return rows
