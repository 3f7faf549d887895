"""Where a run begins: at the untrained weights, or at a checkpoint whose draws this machine repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from woundgen.errors import UserError
from woundgen.models.flat_parameters import FlatParameters
from woundgen.storage.checkpoint import Checkpoint
from woundgen.training.generators import draws_digest
from woundgen.training.loop_state import LoopState
from woundgen.training.state import unpack

Say = Callable[[str], None]


def start_state(
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    checkpoint: Checkpoint | None,
    *,
    ema: bool,
    powers: Sequence[float],
) -> LoopState:
    """The state of a run that begins, or that of the checkpoint. EMA newly asked for begins at the weights."""
    if checkpoint is None:
        return LoopState(
            step=0,
            average=trainable.values.detach().clone() if ema else None,
            powers={sigma: trainable.values.detach().clone() for sigma in powers},
        )
    state = unpack(checkpoint.tensors, checkpoint.state, trainable=trainable, optimizer=optimizer, scaler=scaler)
    if not ema:
        state.average = None
    elif state.average is None:
        state.average = trainable.values.detach().clone()
    # Snapshots newly asked for would lack the updates before: only averages kept from the start are gone on with.
    state.powers = {sigma: state.powers[sigma] for sigma in powers if sigma in state.powers}
    return state


def check_draws(checkpoint: Checkpoint, seed: int, *, allow_changes: bool, say: Say) -> None:
    """Whether this machine draws the numbers that the checkpoint's run would have drawn next."""
    said = checkpoint.state.get("draws")
    if said is None or said == draws_digest(seed, int(checkpoint.state["step"])):
        return
    what = f"{checkpoint.folder.name}: this machine or another seed draws other random numbers than that run did."
    if not allow_changes:
        raise UserError(what, "Use the versions of run.json, or go on all the same (--allow-changes).")
    say(f"warning: {what}")
