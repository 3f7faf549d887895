"""Rows of the results table for scores of pairs of images: SSIM, LPIPS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from woundgen.metrics.checks import check_features, check_patients
from woundgen.metrics.intervals import own_pair_mean_interval, pair_mean_interval
from woundgen.metrics.rows import FLOOR, Network, row
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
) -> list[MetricValue]:
    """Mean over pairs of SSIM or of a perceptual distance: [N, M] generated to real, [M, M] among the real.

    The floor is the mean over pairs of photographs of different patients. A mean over pairs does not shift
    with n, so both are taken over all pairs.
    """
    check_features(generated=to_real, real=among_real)
    count = len(among_real)
    check_patients(metric, group_codes(real_groups, count))
    value = pair_mean_interval(to_real, column_groups=real_groups)
    floor = own_pair_mean_interval(among_real, groups=real_groups)
    return [
        row(metric, value, (len(to_real), count), network),
        row(metric, floor, (count, count), network, FLOOR),
    ]
