"""The learning rate of every training, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable


def schedule(kind: str, *, peak: float, steps: int, warmup: int, floor: float = 0.0) -> Callable[[int], float]:
    """Return the learning rate by step: linear warm-up to `peak`, then cosine or linear down, or constant.

    floor: where cosine and linear end, as a share of `peak`.
    """

    def rate(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        if kind == "cosine":
            return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
        return peak * (floor + (1 - floor) * (1 - progress)) if kind == "linear" else peak

    return rate
