"""How much a trial trains on the mean, as its search space has it."""

from __future__ import annotations

import math

from woundgen.config.train import TrainConfig
from woundgen.tuning.space import Dimension, Space

BATCH_KEYS = ("batch_size_per_gpu", "gradient_accumulation", "planned_devices")


def mean_samples(space: Space, config: TrainConfig, *, steps: int) -> float:
    """Return on how many photographs a proposed trial is trained, repeats counted. steps: of the starting config."""
    product = _mean(space, "max_steps", default=float(steps))
    flat = config.flat()
    for key in BATCH_KEYS:
        product *= _mean(space, key, default=float(flat[key]))
    return product


def largest_rank(space: Space, config: TrainConfig) -> float:
    """Return by how much the largest adapter of the space is larger than the starting config's."""
    entry = _find(space, "lora_rank")
    if entry is None:
        return 1.0
    return max(1.0, max(entry.choices or (entry.high,)) / config.lora.rank)


def _find(space: Space, key: str) -> Dimension | None:
    return next((entry for entry in space.trained if entry.key == key), None)


def _mean(space: Space, key: str, *, default: float) -> float:
    entry = _find(space, key)
    if entry is None or entry.ratio_of:
        return default
    if entry.choices:
        return float(sum(entry.choices) / len(entry.choices))
    if entry.log and entry.high > entry.low:
        return (entry.high - entry.low) / math.log(entry.high / entry.low)
    return (entry.low + entry.high) / 2
