"""From predictions of all arms to scores with intervals, paired differences and what they could have shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from woundgen.downstream import scores as s
from woundgen.downstream.estimate import Estimate, joint_level, of_counts, of_mean, smallest_shown

Array = npt.NDArray[np.float64]
LEVEL = 0.95
KAPPA, MACRO_F1, BRIER = "kappa", "macro F1", "Brier score"
RANGES = {KAPPA: (-1.0, 1.0), BRIER: (0.0, 2.0)}
"""Of scores that do not lie in 0..1."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Test photographs. truth: [T] in 0..K-1; groups: [T] in 0..G-1, the patient of each."""

    phases: tuple[str, ...]
    truth: npt.NDArray[np.integer]
    groups: npt.NDArray[np.integer]

    def groups_of_phase(self) -> dict[str, int]:
        return {phase: len(np.unique(self.groups[self.truth == k])) for k, phase in enumerate(self.phases)}


@dataclass(frozen=True, slots=True)
class Arm:
    """estimates: score → estimate. calibration: expected calibration error, which has no interval."""

    name: str
    estimates: Mapping[str, Estimate]
    calibration: float


@dataclass(frozen=True, slots=True)
class KappaDifference:
    """Kappa of `arm` minus kappa of `control`. low, high: hold for all differences of one family at once.

    smallest: the true difference this design would have shown in 80 of 100 repetitions.
    of_seeds: share of the variance that comes from the seeds, so that more of them would buy power.
    """

    arm: str
    control: str
    value: float
    low: float
    high: float
    smallest: float
    of_seeds: float


def score_arm(name: str, probabilities: Array, test: HeldOut) -> Arm:
    """probabilities: [S, T, K] of S seeds."""
    classes = len(test.phases)
    counts = s.confusion_by_group(test.truth, probabilities.argmax(axis=-1), test.groups, classes=classes)
    estimates = {KAPPA: of_counts(s.cohen_kappa, counts), MACRO_F1: of_counts(s.macro_f1, counts)}
    for k, phase in enumerate(test.phases):
        estimates[f"F1 {phase}"] = of_counts(partial(_of_phase, s.class_f1, k), counts)
        estimates[f"recall {phase}"] = of_counts(partial(_of_phase, s.class_recall, k), counts)
    sizes = np.bincount(test.groups)
    sums = np.stack([np.bincount(test.groups, row).astype(np.float64) for row in s.brier(probabilities, test.truth)])
    estimates[BRIER] = of_mean(sums, sizes)
    errors = [s.calibration_error(one, test.truth) for one in probabilities]
    return Arm(name, estimates, float(np.mean(errors)))


def _of_phase(
    score: Callable[[s.Counts], npt.NDArray[np.float64]], k: int, counts: s.Counts
) -> npt.NDArray[np.float64]:
    return score(counts)[..., k]


def differences(arms: Mapping[str, Arm], pairs: Sequence[tuple[str, str]]) -> list[KappaDifference]:
    """Kappa of the first minus the second of each pair, intervals that hold for all pairs at once."""
    estimates = [arms[a].estimates[KAPPA].minus(arms[b].estimates[KAPPA]) for a, b in pairs]
    level = joint_level(estimates, level=LEVEL)
    result = []
    for (arm, control), one in zip(pairs, estimates, strict=True):
        low, high = one.bounds(level=level)
        smallest = smallest_shown(one, level=level)
        result.append(KappaDifference(arm, control, one.value, low, high, smallest, one.of_seeds))
    return result
