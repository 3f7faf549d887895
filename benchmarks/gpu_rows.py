"""Parts of the items of benchmarks/gpu_all.py: what a row is, and how times and memory are read."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from harness import synchronize

Row = dict[str, Any]
"""item, and numbers by name; None where the device does not count it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Steps of training that are not counted and that are; steps of the sampler; rounds of drawing, interleaved."""

    warm: int
    steps: int
    sampler_steps: int
    rounds: int


def interleaved(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; a first one, which records and warms up, is not counted."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            if number:
                seconds[way].append(time.perf_counter() - started)
    return seconds


def timed(step: Callable[[], object], device: torch.device, effort: Effort) -> list[float]:
    seconds = []
    for _ in range(effort.warm + effort.steps):
        started = time.perf_counter()
        step()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return seconds[effort.warm :]


def spread(seconds: list[float], *, images: int) -> Row:
    """Median, least and most milliseconds, how many, and images a second."""
    median = statistics.median(seconds)
    return {
        "ms": 1000 * median,
        "ms least": 1000 * min(seconds),
        "ms most": 1000 * max(seconds),
        "n": len(seconds),
        "images/s": images / median,
    }


def peak_bytes(device: torch.device) -> tuple[int, int] | tuple[None, None]:
    """Return the most that torch has allocated and reserved of the card.

    What a recording used while it was made is reserved for its replays.
    """
    if device.type != "cuda":
        return None, None
    return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
