"""Whole studies on made-up features, where the truth is known: how often an improvement is claimed. numpy alone.

A training of a configuration gives a generator whose features are standard normal, shifted by the configuration's bias
and by a shift of that training (noise). Photographs are standard normal, a shift of each patient added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from woundgen.tuning.conclusion import classify_difference
from woundgen.tuning.confirmation import compare_with_start, measure_sets
from woundgen.tuning.objective import Array, Statistic


@dataclass(frozen=True, slots=True)
class Truth:
    """noise: deviation of a training's shift. bias: of the starting config. gain: share of the bias that `good` of
    the trials lack. Features have `dimensions`; patients have `photographs` each, apart by `patient_sd`.
    """

    noise: float
    bias: float
    gain: float = 0.0
    good: int = 0
    trials: int = 20
    dimensions: int = 8
    patients: int = 16
    photographs: int = 4
    patient_sd: float = 0.5
    uneven: bool = False  # whether the starting config's trainings differ a third as much as the others'


def simulate_study(truth: Truth, statistic: Statistic, *, seed: int) -> tuple[bool, bool]:
    """Return (whether an improvement was claimed, whether of a trial that has it) for a study."""
    rng = np.random.default_rng(seed)
    n = truth.patients * truth.photographs
    selection, confirmation = (_photographs(truth, rng) for _ in range(2))
    biases = np.full(truth.trials, truth.bias)
    biases[1 : 1 + truth.good] *= 1 - truth.gain
    collected = [statistic(_drawn(truth, bias, rng, n), selection) for bias in biases]
    best = [int(entry) for entry in np.argsort(collected) if entry != 0][:3]
    noises = rng.standard_normal((3, n, truth.dimensions))  # of the images: the same for every configuration
    arms = [
        [_drawn(truth, biases[entry], rng, n, noise, is_start=entry == 0) for noise in noises] for entry in (0, *best)
    ]
    groups = [str(patient) for patient in range(truth.patients) for _ in range(truth.photographs)]
    measured = measure_sets(statistic, arms, confirmation, groups=groups)
    start = float(measured.values[0].mean())
    kinds = [
        classify_difference(entry, start=start, floor=0.0) for entry in compare_with_start(measured, comparisons=3)
    ]
    claimed = [entry for entry, kind in zip(best, kinds, strict=True) if kind == "better"]
    return bool(claimed), any(1 <= entry <= truth.good for entry in claimed)


def _photographs(truth: Truth, rng: np.random.Generator) -> Array:
    separate = truth.patient_sd * rng.standard_normal((truth.patients, 1, truth.dimensions))
    noise = rng.standard_normal((truth.patients, truth.photographs, truth.dimensions))
    scale = 1 / np.sqrt(1 + truth.patient_sd**2)
    return np.asarray((scale * (separate + noise)).reshape(-1, truth.dimensions))


def _drawn(
    truth: Truth, bias: float, rng: np.random.Generator, n: int, noise: Array | None = None, *, is_start: bool = False
) -> Array:
    spread = truth.noise / 3 if truth.uneven and is_start else truth.noise
    shift = spread * rng.standard_normal(truth.dimensions)
    shift[0] += bias
    images = rng.standard_normal((n, truth.dimensions)) if noise is None else noise
    return np.asarray(images + shift)
