"""Compute a validation loss that is comparable between steps: the same images, timesteps and noise every time.

With fresh timesteps at each evaluation the loss of a small set moves by 20 % while nothing changes, and early
stopping follows the noise. Here two evaluations of the same weights are equal, and of two checkpoints the
paired difference has a standard error far below the loss's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.diffusion.objective import PredictionType, add_noise, training_target, weighted_error
from woundgen.diffusion.randomness import normal
from woundgen.models.unet_pass import UNetPass, plain_pass
from woundgen.records import MetricValue
from woundgen.runtime.ranks import ALONE, Ranks


@dataclass(frozen=True, slots=True)
class ValidationGrid:
    """noisy, target: [N * T, C, h, w]; timesteps: [N * T]; rows: which image each entry is of."""

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    rows: Tensor
    images: int


def build_grid(
    latents: Tensor, *, alphas_cumprod: Tensor, prediction: PredictionType, timesteps: int, seed: int
) -> ValidationGrid:
    """latents: [N, C, h, w] posterior means. Timesteps: midpoints of equal strata of the schedule."""
    count = len(alphas_cumprod)
    steps = torch.tensor([int((k + 0.5) * count / timesteps) for k in range(timesteps)])
    rows = torch.arange(len(latents)).repeat_interleave(timesteps)
    all_steps = steps.repeat(len(latents))
    noise = normal(latents.shape[1:], seed, "validation", 0, range(len(rows)))
    clean = latents[rows]
    return ValidationGrid(
        noisy=add_noise(clean, noise, all_steps, alphas_cumprod),
        target=training_target(clean, noise, all_steps, alphas_cumprod, prediction),
        timesteps=all_steps,
        rows=rows,
        images=len(latents),
    )


@torch.no_grad()
def per_image_loss(
    unet: UNet2DConditionModel,
    grid: ValidationGrid,
    prompt_embeds: Callable[[Tensor], Tensor],
    *,
    batch: int,
    ranks: Ranks = ALONE,
    unet_pass: UNetPass = plain_pass,
) -> Tensor:
    """[N] mean loss of each validation image over its timesteps. prompt_embeds: rows -> text states.
    unet_pass: how the UNet is run.

    The ranks share the batches, and each gets the whole result: to the bit what one process computes.
    """
    device = next(unet.parameters()).device
    training = unet.training
    unet.eval()
    errors = torch.zeros(len(grid.rows), device=device)
    for number in ranks.shard(math.ceil(len(grid.rows) / batch)):
        part = slice(number * batch, (number + 1) * batch)
        noisy, timesteps = grid.noisy[part].to(device), grid.timesteps[part].to(device)
        output = unet_pass(unet, noisy, timesteps, prompt_embeds(grid.rows[part]))
        errors[part] = weighted_error(output, grid.target[part].to(device), None)
    ranks.all_reduce_sum(errors)
    unet.train(training)
    return errors.cpu().view(grid.images, -1).mean(1)


def loss_value(losses: Tensor) -> MetricValue:
    """Mean over validation images with its 95 % interval (images are the units)."""
    n, mean = len(losses), losses.mean().item()
    if n < 2:
        return MetricValue("val_loss", mean, None, None, "none: one validation image", (n, n))
    half = 1.96 * losses.std().item() / math.sqrt(n)
    return MetricValue("val_loss", mean, mean - half, mean + half, "95 %, normal, over images", (n, n))


@dataclass(slots=True)
class EarlyStopping:
    """Stop after `patience` evaluations none of which beat the best by more than its paired standard error.

    best: per-image losses at the best evaluation so far, or None before the first. Plain numbers, so that
    a checkpoint can hold it.
    """

    patience: int
    best: list[float] | None = None
    waited: int = 0

    def update(self, losses: list[float]) -> bool:
        """True where this evaluation is better than the best before it, beyond the noise."""
        if self.best is None or _improvement_in_errors(self.best, losses) > 1:
            self.best, self.waited = losses, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        return self.patience > 0 and self.waited >= self.patience


def _improvement_in_errors(best: list[float], losses: list[float]) -> float:
    """Mean paired decrease over its standard error; any decrease counts for a single image."""
    differences = torch.tensor(best, dtype=torch.float64) - torch.tensor(losses, dtype=torch.float64)
    mean = differences.mean().item()
    if len(differences) < 2:
        return math.inf if mean > 0 else -math.inf
    error = differences.std().item() / math.sqrt(len(differences))
    if error == 0:
        return math.inf if mean > 0 else -math.inf
    return mean / error
