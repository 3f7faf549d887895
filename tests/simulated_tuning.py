"""Whole studies on made-up features, where the truth is known: how often an improvement is claimed. numpy alone.

A training of a configuration gives a generator whose features are standard normal, shifted by the configuration's bias
and by a shift of that training (noise). Photographs are standard normal, a shift of each patient added.

The search is the product's: generations, a first look on few images after a third of the steps, the better half to the
end, a sweep of drawings on few images, the leaders repeated. Proposals are not: which trials are better is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from woundgen.metrics.kernel import kernel_distance
from woundgen.tuning.budget import CONFIRMED, SEEDS, lay_out, survivors
from woundgen.tuning.conclusion import classify_difference
from woundgen.tuning.confirmation import compare_with_start, measure_sets
from woundgen.tuning.objective import Array, Statistic, screening_images
from woundgen.tuning.space import DRAWING
from woundgen.tuning.sweep import MEASURED_WHOLE, sweep_in_turn
from woundgen.workflows.tune.search import pruning_images

GENERATION = 4
UNFINISHED = 1.5  # times its last bias is what a training has after a third of its steps
REDRAWN = 0.5  # weight of what is new in an image that is drawn with other settings from the same noise
DRAWINGS: dict[str, tuple[Any, ...]] = {
    "guidance_scale": (1.0, 1.5, 2.0),
    "weights": ("ema", "raw", "ema@0.05"),
    "guidance_interval": ((0.0, 1.0), (0.1, 0.8)),
    "inference_steps_production": (15,),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """noise: deviation of a training's shift. bias: of the starting config. gain: share of the bias that `good` of
    the proposed trials lack. trials: of the budget. Features have `dimensions`; patients have `photographs` each,
    apart by `patient_sd`. Drawings differ by chance alone.
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
    proposals = lay_out(truth.trials, generation=GENERATION).proposals
    good = set(rng.choice(np.arange(1, proposals), truth.good, replace=False).tolist())
    biases = [truth.bias * (1 - truth.gain * (entry in good)) for entry in range(proposals)]
    best = [entry for entry in _search(truth, biases, statistic, selection, rng) if entry != 0][:CONFIRMED]
    noises = rng.standard_normal((SEEDS, n, truth.dimensions))  # of the images: the same for every configuration
    arms = [
        [_redrawn(noise, rng) + _trained(truth, biases[entry], rng, is_start=entry == 0) for noise in noises]
        for entry in (0, *best)
    ]
    groups = [str(patient) for patient in range(truth.patients) for _ in range(truth.photographs)]
    measured = measure_sets(statistic, arms, confirmation, groups=groups)
    start = float(measured.values[0].mean())
    kinds = [
        classify_difference(entry, start=start, floor=0.0)
        for entry in compare_with_start(measured, comparisons=CONFIRMED)
    ]
    claimed = [entry for entry, kind in zip(best, kinds, strict=True) if kind == "better"]
    return bool(claimed), any(entry in good for entry in claimed)


def measure_truth(truth: Truth, *, trainings: int = 100, photographs: int = 1000) -> tuple[float, float]:
    """Return (how much lower the KID of a better configuration is, the deviation of the KID over its trainings)."""
    rng = np.random.default_rng(0)
    real, images = rng.standard_normal((2, photographs, truth.dimensions))

    def values(bias: float) -> Array:
        shifts = [_trained(truth, bias, rng) for _ in range(trainings)]
        return np.array([kernel_distance(images[:300] + shift, real[:300]) for shift in shifts])

    start, better = values(truth.bias), values(truth.bias * (1 - truth.gain))
    return float(start.mean() - better.mean()), float(better.std())


def _search(
    truth: Truth, biases: list[float], statistic: Statistic, real: Array, rng: np.random.Generator
) -> list[int]:
    """Return the trials that were trained to the end, the leaders by the mean of their seeds first."""
    layout = lay_out(truth.trials, generation=GENERATION)
    noise = rng.standard_normal(real.shape)  # every trial draws from the same
    values: dict[int, float] = {}
    for generation in _generations(layout.generations):
        trained = {entry: _trained(truth, biases[entry], rng, is_start=entry == 0) for entry in generation}
        few = noise[: pruning_images(len(real), kind="kid")]
        looks = []
        for entry in generation:
            unfinished = trained[entry] + _trained(truth, (UNFINISHED - 1) * biases[entry], rng)
            looks.append((statistic(_redrawn(few, rng) + unfinished, real),))
        remaining = survivors(looks, keep=-(-len(looks) // 2))
        for place, entry in enumerate(generation):
            if place in remaining or entry == 0:
                values[entry] = _lowest_drawing(trained[entry], noise, statistic, real, rng)
    ranked = sorted(values, key=values.__getitem__)
    leaders = ranked[: layout.leaders]
    means = {entry: [values[entry]] for entry in leaders}
    for _ in range(layout.repeats):
        noise = rng.standard_normal(real.shape)
        for entry in leaders:
            shift = _trained(truth, biases[entry], rng, is_start=entry == 0)
            means[entry].append(statistic(_redrawn(noise, rng) + shift, real))
    return sorted(leaders, key=lambda entry: np.mean(means[entry])) + ranked[layout.leaders :]


def _generations(counts: tuple[int, ...]) -> Iterator[list[int]]:
    first = 0
    for count in counts:
        yield list(range(first, first + count))
        first += count


def _lowest_drawing(shift: Array, noise: Array, statistic: Statistic, real: Array, rng: np.random.Generator) -> float:
    """Sweep on few images; measure the lowest drawings on all, and return the lowest of these."""
    drawn: dict[str, Array] = {}

    def measure(drawing: Mapping[str, Any], images: int) -> float:
        key = repr([drawing[name] for name in DRAWING])
        if key not in drawn:
            drawn[key] = _redrawn(noise, rng) + shift
        return statistic(drawn[key][:images], real)

    few = screening_images(len(noise), kind="kid")
    leaders = sweep_in_turn(DRAWINGS, lambda drawing: measure(drawing, few))[:MEASURED_WHOLE]
    return min(measure(drawing, len(noise)) for drawing in leaders)


def _photographs(truth: Truth, rng: np.random.Generator) -> Array:
    separate = truth.patient_sd * rng.standard_normal((truth.patients, 1, truth.dimensions))
    noise = rng.standard_normal((truth.patients, truth.photographs, truth.dimensions))
    scale = 1 / np.sqrt(1 + truth.patient_sd**2)
    return np.asarray((scale * (separate + noise)).reshape(-1, truth.dimensions))


def _trained(truth: Truth, bias: float, rng: np.random.Generator, *, is_start: bool = False) -> Array:
    """Return the shift [d] of a training."""
    spread = truth.noise / 3 if truth.uneven and is_start else truth.noise
    shift = spread * rng.standard_normal(truth.dimensions)
    shift[0] += bias
    return np.asarray(shift)


def _redrawn(noise: Array, rng: np.random.Generator) -> Array:
    """Return images of the same noise in other settings: standard normal, as the noise is."""
    return np.asarray((1 - REDRAWN**2) ** 0.5 * noise + REDRAWN * rng.standard_normal(noise.shape))
