"""A resumable loop for the networks we train from scratch (feature network, autoencoder).

The adapter's loop is training/loop.py. Here a step is one function of (step number); all randomness inside
it must be a function of that number, so that a checkpoint needs the counters and the tensors only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from woundgen.storage.checkpoint import newest_sound, read_checkpoint, save_and_keep
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer, strip_prefix

Say = Callable[[str], None]


def cosine(step: int, *, steps: int, warmup: int, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def fit(
    *,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    step: Callable[[int], dict[str, float]],
    steps: int,
    learning_rate: Callable[[int], float],
    folder: Path,
    save_every: int,
    say: Say,
) -> None:
    """Run `step(0..steps-1)`, saving to `folder` and going on from there when called again.

    `step` does forward, backward and update, and returns what to log.
    """
    first = _restore(folder, modules, optimizers, say)
    started, logged = time.monotonic(), first
    for number in range(first, steps):
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(number)
        row = step(number)
        done = number + 1
        if done % 100 == 0 or done == steps:
            pace = (time.monotonic() - started) / (done - logged)
            started, logged = time.monotonic(), done
            values = "  ".join(f"{name} {value:.4f}" for name, value in row.items())
            say(f"step {done}/{steps}  {pace:.3f} s/step  {values}")
        if done % save_every == 0 or done == steps:
            _save(folder, done, modules, optimizers)


def _save(folder: Path, done: int, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> None:
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        tensors |= {f"optimizer_{name}.{key}": value for key, value in optimizer_tensors(optimizer).items()}
    save_and_keep(folder, done, state={"step": done}, tensors=tensors)


def _restore(
    folder: Path, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer], say: Say
) -> int:
    newest = newest_sound(folder, warn=say)
    if newest is None:
        return 0
    checkpoint = read_checkpoint(newest)
    for name, module in modules.items():
        module.load_state_dict(strip_prefix(name, checkpoint.tensors))
    for name, optimizer in optimizers.items():
        restore_optimizer(optimizer, strip_prefix(f"optimizer_{name}", checkpoint.tensors))
    say(f"going on from {newest}")
    return int(checkpoint.state["step"])
