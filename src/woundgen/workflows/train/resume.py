"""Initial training state: fresh, or restored after checking that this machine reproduces the run's random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from woundgen.adapters.power_ema import LENGTHS
from woundgen.errors import UserError
from woundgen.models.flat_parameters import FlatParameters
from woundgen.storage.checkpoint import Checkpoint, newest_sound, pointer, read_checkpoint
from woundgen.storage.names import BEST, LATEST
from woundgen.training.generators import draws_digest, start_generators
from woundgen.training.loop_state import LoopState
from woundgen.training.noising import HOST_STREAM
from woundgen.training.optimizer_state import strip_prefix
from woundgen.training.state import copy_state_into, noise_stream_in, unpack
from woundgen.workflows.train.session import TrainingSession


@dataclass(frozen=True, slots=True)
class Untrained:
    """Values before the first step, for a rollback of a run that has saved nothing yet. values: [P] on the CPU."""

    values: Tensor
    discriminator: dict[str, Tensor]


def find_checkpoint(session: TrainingSession) -> Checkpoint | None:
    """Read the checkpoint to resume from: the one named, or the newest sound one. UserError where it is missing."""
    root, resume = session.checkpoints, session.request.options.resume
    if resume in (None, LATEST):
        newest = newest_sound(root)
        for fault in newest.faults:
            session.console.info(fault)
        if newest.folder is None and resume == LATEST:
            raise UserError(f"--resume latest: {root} holds no checkpoint.", "Leave --resume out to start.")
        return None if newest.folder is None else read_checkpoint(newest.folder)
    assert resume is not None
    if resume == BEST:
        name = pointer(root, BEST)
        if name is None:
            raise UserError(f"--resume best: no best checkpoint in {root} yet.", "Use --resume latest.")
        return read_checkpoint(root / name)
    for folder in (Path(resume), root / resume, root / Path(resume).name):
        if folder.is_dir() and folder.resolve().parent == root.resolve():
            return read_checkpoint(folder)
    epoch = Path(resume).stem.removeprefix("epoch_")
    if epoch.isdigit():
        matches = sorted(root.glob(f"epoch_{int(epoch):04d}_*"))
        if matches:
            return read_checkpoint(matches[-1])
    names = ", ".join(sorted(path.name for path in root.glob("epoch_*"))) or "none"
    raise UserError(f"--resume {resume}: no such checkpoint in {root}.", f"It holds: {names}.")


def restore_or_begin(session: TrainingSession, checkpoint: Checkpoint | None) -> Untrained:
    """Put the session into the state of the checkpoint, or of step 0; return the values before any training.

    UserError where the ranks hold different checkpoints or the random numbers differ from those of the saved run.
    """
    start_generators(session.config.seed, 0)
    discriminator = session.discriminator
    untrained = Untrained(
        values=session.model.trainable.values.detach().cpu().clone(),
        discriminator={} if discriminator is None else discriminator.tensors(),
    )
    state = initial_state(
        session.model.trainable,
        session.model.optimizer,
        session.model.scaler,
        checkpoint,
        ema=session.config.averaging.ema,
        powers=LENGTHS if session.config.keeps_snapshots else (),
        noise_stream=session.state.noise_stream,
    )
    copy_state_into(session.state, state)
    session.ranks.assert_same(state.step, "checkpoint")
    if checkpoint is not None:
        if discriminator is not None:
            discriminator.restore(strip_prefix("discriminator", checkpoint.tensors))
        session.console.info(f"going on from {checkpoint.folder.name} (step {state.step} of {session.plan.steps})")
    return untrained


def initial_state(
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    checkpoint: Checkpoint | None,
    *,
    ema: bool,
    powers: Sequence[float],
    noise_stream: int = HOST_STREAM,
) -> LoopState:
    """Return the state of step 0, or restore that of the checkpoint. EMA newly asked for begins at the weights.

    noise_stream: of a new run; a resumed run keeps that of its checkpoint.
    """
    if checkpoint is None:
        return LoopState(
            step=0,
            average=trainable.values.detach().clone() if ema else None,
            powers={sigma: trainable.values.detach().clone() for sigma in powers},
            noise_stream=noise_stream,
        )
    state = unpack(checkpoint.tensors, checkpoint.state, trainable=trainable, optimizer=optimizer, scaler=scaler)
    if not ema:
        state.average = None
    elif state.average is None:
        state.average = trainable.values.detach().clone()
    # Snapshots newly asked for would lack the updates before: only averages stored from the start are continued.
    state.powers = {sigma: state.powers[sigma] for sigma in powers if sigma in state.powers}
    return state


def check_random_numbers(session: TrainingSession, checkpoint: Checkpoint) -> None:
    """Raise UserError where this machine draws other numbers than the checkpoint's run would have drawn next."""
    recorded = checkpoint.state.get("draws")
    stream = noise_stream_in(checkpoint.state)
    if recorded in (None, draws_digest(session.config.seed, int(checkpoint.state["step"]), noise_stream=stream)):
        return
    message = (
        f"{checkpoint.folder.name}: random numbers differ from those of the saved run (other seed or library versions)."
    )
    if not session.request.options.allow_changes:
        raise UserError(message, "Use the versions of run.json, or continue all the same (--allow-changes).")
    session.console.warn(message)
