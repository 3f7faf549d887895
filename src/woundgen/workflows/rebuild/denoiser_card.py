"""Error of the base's UNet on held-out latents, over that of the best linear filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.diffusion.objective import add_noise, clean_estimate
from woundgen.metrics.intervals import Interval, Jackknife, jackknife_interval
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.shipped.denoising_error import (
    LatentSpectrum,
    filter_linearly,
    mean_squared_errors,
    nearest_timestep,
)

SIGMAS = (0.1, 0.35, 1.0, 3.5, 8.0)
NOISES = 4
"""Noises that each latent is measured with; an interval is over latents, each the mean of its noises."""
BATCH = 32


@torch.no_grad()
def measure_denoiser(
    base: BaseModel, latents: Tensor, prompts: Sequence[str], spectrum: LatentSpectrum, *, seed: int
) -> dict[str, Any]:
    """Measure the UNet's squared error of clean latents at each of SIGMAS, with captions and with no prompt.

    latents: [N, C, h, w], held out; prompts: N captions; spectrum: of other latents. Each value is a ratio of means
    with a 95 % jackknife interval over the N latents.
    """
    states, empty = encode_prompts(base, list(prompts)), encode_prompts(base, [""])
    rows = {}
    for sigma in SIGMAS:
        generator = torch.Generator().manual_seed(seed)
        errors = np.zeros((3, len(latents)))
        for _ in range(NOISES):
            noise = torch.randn(latents.shape, generator=generator)
            errors[0] += estimate_errors(base, latents, noise, states, sigma)
            errors[1] += estimate_errors(base, latents, noise, empty.expand(len(latents), -1, -1), sigma)
            filtered = filter_linearly(latents + sigma * noise, sigma, spectrum)
            errors[2] += mean_squared_errors(filtered, latents).numpy()
        captioned, bare, linear = errors
        gained = ratio_interval(captioned, bare)
        rows[f"{sigma:g}"] = {
            "error_over_linear": _as_row(ratio_interval(captioned, linear)),
            "captions_gain_percent": [100 * (1 - v) for v in (gained.value, gained.high, gained.low)],
        }
    return {"n": len(latents), "noises_each": NOISES, "sigmas": rows}


def estimate_errors(
    base: BaseModel, latents: Tensor, noise: Tensor, states: Tensor, sigma: float
) -> NDArray[np.floating]:
    """Measure the squared error [N] of the clean latents that the UNet implies at the timestep nearest to sigma."""
    products = base.alphas_cumprod
    timesteps = torch.full((len(latents),), nearest_timestep(products, sigma))
    parts = []
    for first in range(0, len(latents), BATCH):
        part = slice(first, first + BATCH)
        noisy = add_noise(latents[part], noise[part], timesteps[part], products)
        output = base.unet(noisy, timesteps[part], encoder_hidden_states=states[part]).sample
        estimate = clean_estimate(noisy, output, timesteps[part], products, base.prediction)
        parts.append(mean_squared_errors(estimate, latents[part]))
    return torch.cat(parts).double().numpy()


def ratio_interval(above: NDArray[np.floating], below: NDArray[np.floating]) -> Interval:
    """Divide two means over the same N images, with a jackknife interval."""
    left_out = (above.sum() - above) / (below.sum() - below)
    unit = Jackknife(left_out, np.ones(len(above), dtype=np.int64))
    return jackknife_interval(float(above.sum() / below.sum()), [unit])


def _as_row(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]
