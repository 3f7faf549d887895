"""Compare configurations with the starting config on photographs that chose nothing: paired, corrected for several.

Each configuration is trained with the same few fresh seeds, and drawn from with the same noise. The difference of two
configurations is the mean over seeds of statistic(configuration) - statistic(start), and moves for two reasons, whose
variances add:

- seeds: another training and other noise. Estimated from the residuals of configurations x seeds (what is left after
  each configuration's mean and each seed's), pooled over the configurations, or from the pair's differences where
  these vary more: a configuration that hangs on its seed does not borrow steadiness from the others.
- patients: other photographs. A jackknife that leaves out patients, or folds of them, of all terms at once.

Satterthwaite's degrees of freedom; Bonferroni for the number of configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from woundgen.metrics.intervals import Jackknife
from woundgen.metrics.splits import deal
from woundgen.similarity.groups import Groups, group_codes
from woundgen.tuning.objective import Statistic

Array = npt.NDArray[np.floating]
Values = npt.NDArray[np.float64]

LEVEL = 0.95  # of all intervals together
FOLDS = 20


@dataclass(frozen=True, slots=True)
class SetValues:
    """values: [C, S] of C configurations, the starting config first, and S seeds. left_out: [C, S, F] without a fold.

    sizes: [F] photographs of each fold of patients.
    """

    values: Values
    left_out: Values
    sizes: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class StartDifference:
    """Configuration less start; below 0 is better. low, high: the corrected interval.

    seeds_sd, patients_sd: standard errors of the two reasons. degrees: of freedom of both together.
    """

    value: float
    low: float
    high: float
    seeds_sd: float
    patients_sd: float
    degrees: float

    def to_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def measure_sets(
    statistic: Statistic, drawn: Sequence[Sequence[Array]], real: Array, *, groups: Groups | None, seed: int = 0
) -> SetValues:
    """Take the statistic of each set. drawn[c][s]: features [n, d] of configuration c, seed s. real: [m, d]."""
    codes = group_codes(groups, len(real))
    folds = deal(codes, min(FOLDS, int(codes.max()) + 1), np.random.default_rng(seed))
    remaining = [np.delete(np.arange(len(real)), fold) for fold in folds]
    values = [[statistic(features, real) for features in seeds] for seeds in drawn]
    left_out = [[[statistic(features, real[rows]) for rows in remaining] for features in seeds] for seeds in drawn]
    return SetValues(np.array(values), np.array(left_out), np.array([len(fold) for fold in folds]))


def compare_with_start(measured: SetValues, *, comparisons: int, level: float = LEVEL) -> list[StartDifference]:
    """Return the difference of each configuration but the first from the first. Two seeds or more are needed.

    comparisons: how many intervals hold together at `level` (Bonferroni).
    """
    assert measured.values.shape[1] >= 2, "the variance over seeds needs two of them"
    return [_difference(measured, row, comparisons, level) for row in range(1, len(measured.values))]


def _difference(measured: SetValues, row: int, comparisons: int, level: float) -> StartDifference:
    values = measured.values
    apart = values[row] - values[0]
    value = float(apart.mean())
    seeds, seed_degrees = _seed_variance(values, row)
    without = (measured.left_out[row] - measured.left_out[0]).mean(axis=0)
    patients = Jackknife(without, measured.sizes).variance(value)
    patient_degrees = len(measured.sizes) - 1
    total = seeds + patients
    parts = seeds**2 / seed_degrees + patients**2 / patient_degrees
    degrees = total**2 / parts if parts > 0 else float(seed_degrees)
    margin = float(t.ppf(1 - (1 - level) / (2 * comparisons), degrees)) * total**0.5
    return StartDifference(value, value - margin, value + margin, seeds**0.5, patients**0.5, degrees)


def _seed_variance(values: Values, row: int) -> tuple[float, float]:
    """Return (variance of the mean difference over seeds, degrees of freedom): the larger of pooled and the pair's."""
    configurations, seeds = values.shape
    separate = float(np.var(values[row] - values[0], ddof=1)) / seeds
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    degrees = (configurations - 1) * (seeds - 1)
    pooled = 2 * float((residual**2).sum()) / degrees / seeds
    return max(separate, pooled), degrees
