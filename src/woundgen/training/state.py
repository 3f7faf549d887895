"""Convert a training state to tensors and plain values for a checkpoint, and back."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.models.flat_parameters import FlatParameters
from woundgen.training.generators import generator_states, restore_generators
from woundgen.training.loop_state import LoopState
from woundgen.training.noising import DEVICE_STREAM, HOST_STREAM
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer, strip_prefix


def pack(trainable: FlatParameters, optimizer: torch.optim.Optimizer, state: LoopState) -> dict[str, Tensor]:
    """Return values, averages (EMA, power functions) and optimizer moments, all copies on the CPU."""
    tensors = {"values": trainable.values.detach().cpu().clone()}
    if state.average is not None:
        tensors["average"] = state.average.cpu().clone()
    tensors |= {f"power.{sigma:.3f}": average.cpu().clone() for sigma, average in state.powers.items()}
    moments = {f"optimizer.{key}": value.cpu().clone() for key, value in optimizer_tensors(optimizer).items()}
    return tensors | moments


def unpack(
    tensors: dict[str, Tensor],
    counters: dict[str, Any],
    *,
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler | None = None,
) -> LoopState:
    """Restore a checkpoint's tensors in place, with scaler and generators where it has them; return the loop state."""
    device = trainable.values.device
    if tensors["values"].shape != trainable.values.shape:
        raise UserError(
            f"The checkpoint holds {tensors['values'].numel():,} parameters and this run trains "
            f"{trainable.values.numel():,}.",
            "Give the settings it was trained with, or another --out.",
        )
    trainable.load(tensors["values"].to(device))
    restore_optimizer(optimizer, strip_prefix("optimizer", tensors))
    if scaler is not None and counters.get("scaler"):
        scaler.load_state_dict(counters["scaler"])
    if generators := strip_prefix("generator", tensors):
        restore_generators(generators)
    average = tensors.get("average")
    return LoopState(
        step=int(counters["step"]),
        average=None if average is None else average.to(device),
        skipped=int(counters["skipped"]),
        skipped_in_a_row=int(counters["skipped_in_a_row"]),
        rollbacks=int(counters.get("rollbacks", 0)),
        powers={float(sigma): power.to(device) for sigma, power in strip_prefix("power", tensors).items()},
        noise_stream=noise_stream_in(counters),
    )


def noise_stream_in(counters: dict[str, Any]) -> int:
    """Return the noise stream of a checkpoint's run. UserError for a stream that this version does not know."""
    stream = counters.get("noise_stream", HOST_STREAM)  # older checkpoints do not say
    if stream not in (HOST_STREAM, DEVICE_STREAM):
        raise UserError(f"The checkpoint's noise_stream is {stream!r}.", "Resume with the version that wrote it.")
    return int(stream)


def generators() -> dict[str, Tensor]:
    """Return the states of the global generators for a checkpoint."""
    return {f"generator.{name}": state for name, state in generator_states().items()}


def counters(state: LoopState) -> dict[str, int]:
    """Return the counters for a checkpoint."""
    return {
        "step": state.step,
        "skipped": state.skipped,
        "skipped_in_a_row": state.skipped_in_a_row,
        "rollbacks": state.rollbacks,
        "noise_stream": state.noise_stream,
    }


def new_optimizer(
    trainable: FlatParameters, *, betas: tuple[float, float], weight_decay: float, kind: str = "adamw"
) -> torch.optim.Optimizer:
    """Make AdamW (fused or with 8-bit moments) or Prodigy over the flat vector; the rate is set at every step."""
    if kind == "adamw":
        return torch.optim.AdamW([trainable.values], lr=1.0, betas=betas, weight_decay=weight_decay, fused=True)
    if kind == "prodigy":
        # As diffusers' and kohya's recipes set it: bias correction as in Adam, and warm-up left out of its estimate.
        optimizer = prodigy()(
            [trainable.values], lr=1.0, betas=betas, use_bias_correction=True, safeguard_warmup=True, decouple=True
        )
        optimizer.param_groups[0]["weight_decay"] = weight_decay  # given above, it would print a line
        return optimizer
    return eight_bit()([trainable.values], lr=1.0, betas=betas, weight_decay=weight_decay)


def check_optimizer(kind: str) -> None:
    """UserError where the library of the optimizer is not installed."""
    if kind == "adamw-8bit":
        eight_bit()
    elif kind == "prodigy":
        prodigy()


def eight_bit() -> Callable[..., torch.optim.Optimizer]:
    """Return bitsandbytes' AdamW8bit (Dettmers et al. 2022); UserError where it is not installed."""
    try:
        return importlib.import_module("bitsandbytes").optim.AdamW8bit
    except ImportError:
        raise UserError(
            "optimizer: adamw-8bit needs bitsandbytes, which is not installed.",
            "pip install bitsandbytes, or set optimizer: adamw.",
        ) from None


def prodigy() -> Callable[..., torch.optim.Optimizer]:
    """Return prodigyopt's Prodigy (Mishchenko & Defazio 2023); UserError where it is not installed."""
    try:
        return importlib.import_module("prodigyopt").Prodigy
    except ImportError:
        raise UserError(
            "optimizer: prodigy needs prodigyopt, which is not installed.",
            "pip install 'woundgen[prodigy]', or set optimizer: adamw.",
        ) from None


def copy_state_into(state: LoopState, other: LoopState) -> None:
    """Overwrite `state` in place, since the loop and the session hold the same object."""
    for name in LoopState.__dataclass_fields__:
        setattr(state, name, getattr(other, name))
