"""Exponential moving average of the trainable vector, with a warm-up that fits short runs.

Decay 0.9999 over a few hundred steps keeps nearly all of the start and hides the training. The warm-up
min(decay, (1 + t) / (10 + t)) (Karras et al. 2018; TensorFlow's moving averages) lets the average follow from
the first step.
"""

from __future__ import annotations

import torch
from torch import Tensor


def decay_at(step: int, *, decay: float, warmup: bool) -> float:
    """Decay used by the update number `step` (counting from 0)."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


def share_of_start(steps: int, *, decay: float, warmup: bool) -> float:
    """How much of the untrained weights is left in the average after `steps` updates, 0..1."""
    share = 1.0
    for step in range(steps):
        share *= decay_at(step, decay=decay, warmup=warmup)
        if share < 1e-6:
            return 0.0
    return share


@torch.no_grad()
def update(average: Tensor, values: Tensor, step: int, *, decay: float, warmup: bool) -> None:
    """average <- decay * average + (1 - decay) * values, in place; both [P]."""
    average.lerp_(values, 1 - decay_at(step, decay=decay, warmup=warmup))
