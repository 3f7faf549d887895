"""A resumable loop for the networks we train from scratch (feature network, autoencoder, UNet and text encoder).

The adapter's loop is training/loop.py. Here a step is one function of (step number); all randomness inside
it must be a function of that number, so that a checkpoint needs the counters and the tensors only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.storage.checkpoint import clear_left_overs, newest_sound, pointer, read_checkpoint, set_pointer
from woundgen.storage.names import LATEST
from woundgen.storage.retention import save_last_state
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer, strip_prefix

BEGUN_FROM = "begun_from"  # in a checkpoint's state
RATE_FLOOR = 0.02
"""Share of the peak at which the learning rate of such a training ends."""


def fit(
    *,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    step: Callable[[int], Mapping[str, float | Tensor]],
    steps: int,
    learning_rate: Callable[[int], float],
    folder: Path,
    save_every: int,
    begun_from: str = "",
) -> Work[None]:
    """Run `step(0..steps-1)`, saving to `folder` and going on from there when called again.

    `step` does forward, backward and update, and returns what to log. begun_from: digest of the weights that the
    modules hold at first, "" for random ones; UserError where the training in `folder` began from others.
    """
    first = yield from _restore(folder, modules, optimizers, begun_from)
    started, logged = time.monotonic(), first
    for number in range(first, steps):
        for optimizer in optimizers.values():
            set_learning_rate(optimizer, learning_rate(number))
        row = step(number)
        done = number + 1
        if done % 100 == 0 or done == steps:
            pace = (time.monotonic() - started) / (done - logged)
            started, logged = time.monotonic(), done
            values = "  ".join(f"{name} {float(value):.4f}" for name, value in row.items())
            yield Info(f"step {done}/{steps}  {pace:.3f} s/step  {values}")
        if done % save_every == 0 or done == steps:
            _save(folder, done, modules, optimizers, begun_from)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of all groups, in place where it is a tensor, which a CUDA graph reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _save(
    folder: Path,
    done: int,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    begun_from: str,
) -> None:
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        tensors |= {f"optimizer_{name}.{key}": value for key, value in optimizer_tensors(optimizer).items()}
    save_last_state(folder, done, state={"step": done, BEGUN_FROM: begun_from}, tensors=tensors)


def _restore(
    folder: Path, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer], begun_from: str
) -> Work[int]:
    clear_left_overs(folder)
    newest = newest_sound(folder)
    for fault in newest.faults:
        yield Info(fault)
    if newest.folder is None:
        return 0
    checkpoint = read_checkpoint(newest.folder)
    if (other := checkpoint.state.get(BEGUN_FROM, begun_from)) != begun_from:
        raise UserError(
            f"{newest.folder} began from {'another base' if other else 'random weights'}, not from "
            f"{'this base' if begun_from else 'random weights'}.",
            "Choose another --work, or give --start as it was given then.",
        )
    for name, module in modules.items():
        module.load_state_dict(strip_prefix(name, checkpoint.tensors))
    for name, optimizer in optimizers.items():
        restore_optimizer(optimizer, strip_prefix(f"optimizer_{name}", checkpoint.tensors))
    if pointer(folder, LATEST) != newest.folder.name:  # a kill came between the two
        set_pointer(folder, LATEST, newest.folder.name)
    yield Info(f"going on from {newest.folder}")
    return int(checkpoint.state["step"])
