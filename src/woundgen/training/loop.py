"""The training loop, from top to bottom.

What is trained is a flat vector (an adapter, or a whole network); the loop knows neither files nor configs.
All randomness is a function of (seed, step, slot in the global batch), see diffusion/randomness.py, so a run
that starts again at step k from the saved tensors is the run that was never stopped, and one that is shared by
several processes (training/ranks.py) sees what one process would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from woundgen.diffusion.objective import (
    PredictionType,
    add_noise,
    min_snr_weights,
    training_target,
    weighted_error,
)
from woundgen.diffusion.randomness import batch_rows, byte_source, normal, stratified_timesteps, uniform
from woundgen.errors import UserError
from woundgen.models import ema
from woundgen.models.dropout import DropoutMasks
from woundgen.models.flat import FlatParameters
from woundgen.training.batches import Batches
from woundgen.training.latents import Latents
from woundgen.training.ranks import ALONE, Ranks

Contexts = Callable[[Sequence[int], Sequence[bool]], Tensor]
"""(photograph rows, prompt dropped?) -> text encoder states [N, 77, D]."""

NON_FINITE_LIMIT = 5


@dataclass(frozen=True, slots=True)
class LoopSettings:
    seed: int
    steps: int
    global_batch: int
    micro_batch: int
    prompt_dropout: float
    snr_gamma: float | None
    noise_offset: float
    max_grad_norm: float
    ema_decay: float | None
    ema_warmup: bool
    precision: str  # fp32 | bf16 | fp16


@dataclass(slots=True)
class LoopState:
    """What a step changes, besides the parameters and the optimizer."""

    step: int
    average: Tensor | None  # EMA, [P]
    skipped: int = 0
    skipped_in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class StepReport:
    """step counts finished steps; loss is the mean over the global batch, seen fraction in epochs."""

    step: int
    epoch: float
    loss: float
    gradient_norm: float
    learning_rate: float


def train(
    *,
    unet: nn.Module,
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    learning_rate: Callable[[int], float],
    latents: Latents,
    contexts: Contexts,
    alphas_cumprod: Tensor,
    prediction: PredictionType,
    dropout: DropoutMasks | None,
    settings: LoopSettings,
    state: LoopState,
    after_step: Callable[[StepReport], bool],
    ranks: Ranks = ALONE,
    batches: Batches | None = None,
) -> None:
    """Run from state.step to settings.steps; `after_step` logs, saves and measures, and returns True to stop.

    batches: which rows a step sees and what each counts, where that is not every row alike.
    """
    s, device = settings, trainable.values.device
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(s.precision)
    unet.train()
    while state.step < s.steps:
        step = state.step

        # Learning rate and batch: functions of the step.
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        rows = batch_rows(s.seed, step, batch=s.global_batch, size=len(latents))
        if batches is not None:
            rows = batches.rows(step)

        # Forward and backward, one micro-batch at a time; the ranks take them in turn.
        loss_sum = torch.zeros((), device=device)
        for number in ranks.mine(math.ceil(s.global_batch / s.micro_batch)):
            first = number * s.micro_batch
            slots = range(first, min(first + s.micro_batch, s.global_batch))
            mine = rows[slots.start : slots.stop]
            clean = latents.sample(mine, seed=s.seed, step=step, slots=slots)
            noise = normal(clean.shape[1:], s.seed, "noise", step, slots)
            if s.noise_offset > 0:
                noise += s.noise_offset * normal((clean.shape[1], 1, 1), s.seed, "noise offset", step, slots)
            timesteps = stratified_timesteps(s.seed, step, slots, batch=s.global_batch, count=len(alphas_cumprod))
            dropped = [uniform(s.seed, "prompt dropout", step, slot) < s.prompt_dropout for slot in slots]
            weights = None
            if s.snr_gamma is not None:
                weights = min_snr_weights(timesteps, alphas_cumprod, gamma=s.snr_gamma, prediction=prediction)
            if batches is not None:
                weights = batches.weights[mine] if weights is None else weights * batches.weights[mine]
            noisy = add_noise(clean, noise, timesteps, alphas_cumprod).to(device)
            target = training_target(clean, noise, timesteps, alphas_cumprod, prediction).to(device)
            if dropout is not None:
                dropout.begin([byte_source(s.seed, "adapter dropout", step, slot) for slot in slots])
            with torch.autocast(device.type, half) if half else nullcontext():
                output = unet(noisy, timesteps.to(device), contexts(mine, dropped)).sample
            errors = weighted_error(output, target, None if weights is None else weights.to(device))
            loss = errors.sum() / s.global_batch
            scaler.scale(loss).backward()
            loss_sum += loss.detach()
        if dropout is not None:
            dropout.begin([])
        ranks.add_up(trainable.gradient)  # each loss was divided by the global batch: sums, not means
        ranks.add_up(loss_sum)

        # Update, unless something is not finite: then this step is skipped and counted.
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_([trainable.values], s.max_grad_norm)
        loss_value, norm_value = loss_sum.item(), norm.item()
        finite = torch.isfinite(loss_sum + norm).item()
        if finite:
            scaler.step(optimizer)
            if state.average is not None:
                assert s.ema_decay is not None
                ema.update(
                    state.average,
                    trainable.values.detach(),
                    step - state.skipped,
                    decay=s.ema_decay,
                    warmup=s.ema_warmup,
                )
        scaler.update()
        trainable.gradient.zero_()
        state.skipped += not finite
        state.skipped_in_a_row = 0 if finite else state.skipped_in_a_row + 1
        if state.skipped_in_a_row >= NON_FINITE_LIMIT:
            raise UserError(
                f"Loss or gradient was not finite for {NON_FINITE_LIMIT} steps in a row, up to step {step}.",
                "Lower learning_rate or use mixed_precision: no | bf16; the last checkpoint is sound.",
            )

        # Bookkeeping.
        state.step = step + 1
        report = StepReport(
            step=state.step,
            epoch=state.step * (s.global_batch / len(latents) if batches is None else batches.epochs_a_step),
            loss=loss_value if finite else 0.0,
            gradient_norm=norm_value if finite else 0.0,
            learning_rate=learning_rate(step),
        )
        if after_step(report):
            return
