"""The training loop, from top to bottom.

The trained parameters are a flat vector (an adapter, or a whole network); the loop knows no files.
All randomness is a function of (seed, step, slot in the global batch), see diffusion/randomness.py, so a run
that starts again at step k from the saved tensors is the run that was never stopped, and one that is shared by
several processes (runtime/ranks.py) sees what one process would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from woundgen.adapters import ema
from woundgen.adapters.dropout import DropoutMasks
from woundgen.adapters.power_ema import update_power
from woundgen.diffusion.objective import (
    PredictionType,
    min_snr_weights,
    weighted_error,
)
from woundgen.diffusion.randomness import position_seed, stratified_timesteps, uniform
from woundgen.errors import UserError
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import FlatParameters
from woundgen.models.half_precision import HALVES
from woundgen.models.verified_unet import VerifiedUNet
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.training.batches import Batches
from woundgen.training.latents import Latents
from woundgen.training.loop_state import RATE_AFTER_ROLLBACK, LoopSettings, LoopState
from woundgen.training.loss_pass import LossInputs, VerifiedLossPass
from woundgen.training.noising import NoisedBatch, NoiseSettings, Noising, build_noising
from woundgen.training.terms import Batch, ExtraTerm, TermTally, add_gradients

PromptEmbeds = Callable[[Sequence[int], Sequence[bool]], Tensor]
"""(photograph rows, prompt dropped?) -> text encoder states [N, 77, D]."""

Network = nn.Module | ReplayedUNet | VerifiedUNet
"""(noisy [N, C, h, w], timesteps [N], states [N, 77, D]) -> .sample; `train()` before the first step."""

GoBack = Callable[[], bool]
"""Restore parameters, optimizer and LoopState from the last good checkpoint; False where there is none."""

NON_FINITE_LIMIT = 5
MOST_ROLLBACKS = 1


@dataclass(frozen=True, slots=True)
class StepReport:
    """step: finished steps. loss: mean over the global batch. epoch: passes over the photographs, a fraction.

    A skipped step has the loss and gradient_norm for which it was skipped, finite or not.
    terms: values of the auxiliary terms, with their shares of the gradient.
    """

    step: int
    epoch: float
    loss: float
    gradient_norm: float
    learning_rate: float
    skipped: bool = False
    terms: dict[str, float] = field(default_factory=dict)


def train(
    *,
    unet: Network,
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    learning_rate: Callable[[int], float],
    latents: Latents,
    prompt_embeds: PromptEmbeds,
    alphas_cumprod: Tensor,
    prediction: PredictionType,
    dropout: DropoutMasks | None,
    settings: LoopSettings,
    state: LoopState,
    after_step: Callable[[StepReport], bool],
    ranks: Ranks = ALONE,
    terms: Sequence[ExtraTerm] = (),
    go_back: GoBack | None = None,
    batches: Batches | None = None,
    noising: Noising | None = None,
    loss_pass: VerifiedLossPass | None = None,
) -> None:
    """Run from state.step to settings.steps; `after_step` logs, saves and measures, and returns True to stop.

    batches: which rows a step sees and what each counts, where that is not every row alike. noising: makes the
    micro-batches; None: of the state's noise stream, not recorded. loss_pass: in place of `unet` where there are no
    terms and the prompt embeddings ask for no gradient.
    """
    s, device = settings, trainable.values.device
    half = HALVES.get(s.precision)
    if noising is None:
        noise = NoiseSettings(s.seed, s.loss.noise_offset, alphas_cumprod, prediction, device)
        noising = build_noising(latents, noise, stream=state.noise_stream, recorder=None)
    unet.train()
    while state.step < s.steps:
        step = state.step

        # Learning rate and batch: functions of the step.
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step) * state.rate_factor
        rows = latents.rows(seed=s.seed, step=step, batch=s.global_batch) if batches is None else batches.rows(step)

        # Forward and backward, one micro-batch at a time; the ranks take them in turn.
        tally = TermTally(terms, device)
        for number in ranks.shard(math.ceil(s.global_batch / s.micro_batch)):
            first = number * s.micro_batch
            slots = range(first, min(first + s.micro_batch, s.global_batch))
            own_rows = rows[slots.start : slots.stop]
            region = latents.regions(own_rows, seed=s.seed, step=step, slots=slots)
            timesteps = stratified_timesteps(s.seed, step, slots, batch=s.global_batch, count=len(alphas_cumprod))
            dropped = [uniform(s.seed, "prompt dropout", step, slot) < s.loss.prompt_dropout for slot in slots]
            weights = None
            if s.loss.min_snr_gamma is not None:
                weights = min_snr_weights(timesteps, alphas_cumprod, gamma=s.loss.min_snr_gamma, prediction=prediction)
            if batches is not None:
                weights = batches.weights[own_rows] if weights is None else weights * batches.weights[own_rows]
            noised = noising(own_rows, step, slots, timesteps)
            if dropout is not None:
                seeds = [position_seed(s.seed, "adapter dropout", step, slot) for slot in slots]
                dropout.begin(torch.tensor(seeds, device=device))
            # The UNet casts by itself (models/half_precision.py); the text encoder does not.
            with torch.autocast(device.type, half) if half else nullcontext():
                embeds = prompt_embeds(own_rows, dropped)
                if loss_pass is not None and not terms and not embeds.requires_grad:
                    inputs = _loss_inputs(noised, timesteps, embeds, weights, region, s.global_batch)
                    tally.add_loss(loss_pass(replace(inputs, scale=scaler.scale(inputs.scale))))
                    continue
                output = unet(noised.noisy, timesteps.to(device), embeds).sample
            # Every term's gradient is taken at the network's output, so that the network is gone through once.
            leaf = output.detach().float().requires_grad_()
            errors = weighted_error(leaf, noised.target, _on(weights, device), _on(region, device))
            loss = errors.sum() / s.global_batch
            (gradient,) = torch.autograd.grad(loss, leaf)
            tally.add(0, loss, gradient)
            if terms:
                positions = [step * s.global_batch + slot for slot in slots]
                batch = Batch(noised.noisy, noised.clean.to(device), timesteps, positions)
                gradient = add_gradients(
                    gradient, leaf, batch, tally=tally, alphas_cumprod=alphas_cumprod, prediction=prediction,
                    global_batch=s.global_batch,
                )  # fmt: skip
            output.backward(scaler.scale(gradient).to(output.dtype))
        if dropout is not None:
            dropout.begin(None)
        ranks.all_reduce_sum(trainable.gradient)  # each loss was divided by the global batch: sums, not means
        ranks.all_reduce_sum(tally.sums)

        # Update, unless something is not finite: then this step is skipped and counted.
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_([trainable.values], s.max_gradient_norm)
        # Read at once: each reading waits for the device.
        loss_value, norm_value, together = torch.stack([tally.loss, norm, tally.sums.sum() + norm]).tolist()
        finite = math.isfinite(together)
        if finite:
            scaler.step(optimizer)
            if state.average is not None:
                ema.update(
                    state.average,
                    trainable.values.detach(),
                    state.updates,
                    decay=s.averaging.decay,
                    warmup=s.averaging.warmup,
                )
            for sigma, average in state.powers.items():
                update_power(average, trainable.values.detach(), state.updates + 1, sigma=sigma)
        overflowed = not torch.isfinite(trainable.values.detach().sum()).item()  # an update can be too large, too
        searching = scaler.is_enabled() and math.isfinite(loss_value) and scaler.get_scale() > 1
        scaler.update()
        trainable.gradient.zero_()
        term_values = tally.summary() if finite else {}
        for term in terms:
            if term.discriminator is not None:
                term_values |= term.discriminator.finish(finite=finite, ranks=ranks)
        state.skipped += not finite
        # A scaler that looks for its scale skips steps, too, and finds it.
        state.skipped_in_a_row = 0 if finite or searching else state.skipped_in_a_row + 1
        if state.skipped_in_a_row >= NON_FINITE_LIMIT or overflowed:
            _go_back_or_stop(state, go_back)
            continue

        # Bookkeeping.
        state.step = step + 1
        report = StepReport(
            step=state.step,
            epoch=state.step * (s.global_batch / len(latents) if batches is None else batches.epochs_a_step),
            loss=loss_value,
            gradient_norm=norm_value,
            learning_rate=learning_rate(step) * state.rate_factor,
            skipped=not finite,
            terms=term_values,
        )
        if after_step(report):
            return


def _loss_inputs(
    noised: NoisedBatch,
    timesteps: Tensor,
    prompt_embeds: Tensor,
    weights: Tensor | None,
    region: Tensor | None,
    global_batch: int,
) -> LossInputs:
    """A micro-batch for the loss pass, at scale 1; no weights and no region are ones."""
    noisy = noised.noisy
    return LossInputs(
        noisy=noisy,
        timesteps=timesteps.to(noisy.device),
        prompt_embeds=prompt_embeds,
        target=noised.target,
        weights=noisy.new_ones(len(noisy)) if weights is None else weights.to(noisy.device),
        region=torch.ones_like(noisy[:, 0]) if region is None else region.to(noisy.device),
        images=noisy.new_full((), global_batch),
        scale=noisy.new_ones(()),
    )


def _on(tensor: Tensor | None, device: torch.device) -> Tensor | None:
    return None if tensor is None else tensor.to(device)


def _go_back_or_stop(state: LoopState, go_back: GoBack | None) -> None:
    """Roll back to the last good checkpoint at half the rate, once; UserError where that did not help or cannot be."""
    step, rollbacks = state.step, state.rollbacks
    if rollbacks < MOST_ROLLBACKS and go_back is not None and go_back():
        state.rollbacks, state.skipped_in_a_row = rollbacks + 1, 0
        return
    again = f", and again at {RATE_AFTER_ROLLBACK**rollbacks:g} of the learning rate" if rollbacks else ""
    raise UserError(
        f"Loss or gradient was not finite for {NON_FINITE_LIMIT} steps in a row, up to step {step}{again}.",
        "Lower learning_rate or use mixed_precision: no | bf16; the last checkpoint is sound.",
    )
