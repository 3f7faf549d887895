"""A resumable loop for the networks we train from scratch (feature network, autoencoder).

The adapter's loop is training/loop.py. Here a step is one function of (step number); all randomness inside
it must be a function of that number, so that a checkpoint needs the counters and the tensors only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from woundgen.events import Info, Work
from woundgen.storage.checkpoint import newest_sound, read_checkpoint
from woundgen.storage.retention import save_last_state
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer, strip_prefix

RATE_FLOOR = 0.02
"""Share of the peak at which the learning rate of such a training ends."""


def fit(
    *,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    step: Callable[[int], dict[str, float]],
    steps: int,
    learning_rate: Callable[[int], float],
    folder: Path,
    save_every: int,
) -> Work[None]:
    """Run `step(0..steps-1)`, saving to `folder` and going on from there when called again.

    `step` does forward, backward and update, and returns what to log.
    """
    first = yield from _restore(folder, modules, optimizers)
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
            yield Info(f"step {done}/{steps}  {pace:.3f} s/step  {values}")
        if done % save_every == 0 or done == steps:
            _save(folder, done, modules, optimizers)


def _save(folder: Path, done: int, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> None:
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        tensors |= {f"optimizer_{name}.{key}": value for key, value in optimizer_tensors(optimizer).items()}
    save_last_state(folder, done, state={"step": done}, tensors=tensors)


def _restore(folder: Path, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]) -> Work[int]:
    newest = newest_sound(folder)
    for fault in newest.faults:
        yield Info(fault)
    if newest.folder is None:
        return 0
    checkpoint = read_checkpoint(newest.folder)
    for name, module in modules.items():
        module.load_state_dict(strip_prefix(name, checkpoint.tensors))
    for name, optimizer in optimizers.items():
        restore_optimizer(optimizer, strip_prefix(f"optimizer_{name}", checkpoint.tensors))
    yield Info(f"going on from {newest.folder}")
    return int(checkpoint.state["step"])
