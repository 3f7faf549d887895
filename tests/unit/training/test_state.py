"""fp16: the loss scale in a checkpoint, and on from there."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.storage.checkpoint import read_checkpoint, write_checkpoint
from woundgen.training.loop_state import LoopState
from woundgen.training.state import counters, new_optimizer, pack, unpack

GROWTH = 4  # steps without overflow after which the scale doubles; an overflow halves it
OVERFLOWS = {2, 9}
STEPS = 16


class Run:
    """A few numbers trained with a gradient scaler, whose gradient overflows at some steps."""

    def __init__(self) -> None:
        self.trainable: FlatParameters = flatten({"w": nn.Parameter(torch.ones(3))})
        self.optimizer = new_optimizer(self.trainable, betas=(0.9, 0.999), weight_decay=0.01)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=GROWTH)
        self.state = LoopState(step=0, average=None)

    def go_on(self, until: int) -> list[float]:
        """The scale after each step."""
        scales = []
        for step in range(self.state.step, until):
            gradient = torch.tensor([1.0, -2.0, 0.5]) * (torch.inf if step in OVERFLOWS else 1.0)
            self.scaler.scale((self.trainable.values * gradient).sum()).backward()
            self.scaler.unscale_(self.optimizer)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.trainable.gradient.zero_()
            self.state.step = step + 1
            scales.append(self.scaler.get_scale())
        return scales


def saved_and_loaded(run: Run, folder: Path, *, with_scaler: bool) -> Run:
    state = counters(run.state) | {"scaler": run.scaler.state_dict()}
    tensors = pack(run.trainable, run.optimizer, run.state)
    checkpoint = read_checkpoint(write_checkpoint(folder, "half", state=state, tensors=tensors))
    fresh = Run()
    fresh.state = unpack(
        checkpoint.tensors,
        checkpoint.state,
        trainable=fresh.trainable,
        optimizer=fresh.optimizer,
        scaler=fresh.scaler if with_scaler else None,
    )
    return fresh


def test_the_scale_goes_on_where_it_was(tmp_path: Path) -> None:
    """Doubled after four good steps, halved by an overflow: also where those are counted across a resume."""
    whole = Run()
    scales = whole.go_on(STEPS)
    # By hand: halved at 2, doubled after 3-6, halved at 9, doubled after 10-13.
    assert scales == [64, 64, 32, 32, 32, 32, 64, 64, 64, 32, 32, 32, 32, 64, 64, 64]
    for stop in (1, 5, 11):
        run = Run()
        run.go_on(stop)
        resumed = saved_and_loaded(run, tmp_path / str(stop), with_scaler=True)
        assert resumed.scaler.state_dict() == run.scaler.state_dict()
        assert resumed.go_on(STEPS) == scales[stop:]
        assert torch.equal(resumed.trainable.values, whole.trainable.values)


def test_a_scaler_left_out_would_be_seen(tmp_path: Path) -> None:
    run = Run()
    assert run.go_on(5)[-1] == 32
    assert saved_and_loaded(run, tmp_path, with_scaler=False).go_on(6) == [64]
