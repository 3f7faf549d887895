"""Algebra of the forward process and the loss: pure functions of tensors.

Notation of Ho et al. 2020: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise. v of Salimans & Ho 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor

from woundgen.records import PredictionType


def _levels(alphas_cumprod: Tensor, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(abar) and sqrt(1 - abar) shaped to multiply `like` [N, ...]."""
    shape = (-1,) + (1,) * (like.ndim - 1)
    abar = alphas_cumprod.to(like.device)[timesteps].view(shape)
    return abar.sqrt().to(like.dtype), (1 - abar).sqrt().to(like.dtype)


def add_noise(clean: Tensor, noise: Tensor, timesteps: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """x_t. clean, noise: [N, C, H, W]; timesteps: int64 [N]; alphas_cumprod: [T]."""
    signal, sigma = _levels(alphas_cumprod, timesteps, clean)
    return signal * clean + sigma * noise


def training_target(
    clean: Tensor, noise: Tensor, timesteps: Tensor, alphas_cumprod: Tensor, prediction: PredictionType
) -> Tensor:
    """Return the target of the network: the noise, v = sqrt(abar) noise - sqrt(1 - abar) x_0, or x_0."""
    if prediction == "epsilon":
        return noise
    if prediction == "sample":
        return clean
    signal, sigma = _levels(alphas_cumprod, timesteps, clean)
    return signal * noise - sigma * clean


def clean_estimate(
    noisy: Tensor, output: Tensor, timesteps: Tensor, alphas_cumprod: Tensor, prediction: PredictionType
) -> Tensor:
    """x_0 that the network's output implies, in closed form."""
    signal, sigma = _levels(alphas_cumprod, timesteps, noisy)
    if prediction == "epsilon":
        return (noisy - sigma * output) / signal
    if prediction == "sample":
        return output
    return signal * noisy - sigma * output


def min_snr_weights(timesteps: Tensor, alphas_cumprod: Tensor, *, gamma: float, prediction: PredictionType) -> Tensor:
    """[N] loss weights of Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting".

    min(SNR, gamma) on the x_0 loss, which is min(SNR, gamma)/SNR for epsilon and /(SNR + 1) for v.
    """
    abar = alphas_cumprod[timesteps.to(alphas_cumprod.device)].to(timesteps.device)
    snr = abar / (1 - abar)
    capped = torch.clamp(snr, max=gamma)
    if prediction == "epsilon":
        return capped / snr
    if prediction == "sample":
        return capped
    return capped / (snr + 1)


def weighted_error(output: Tensor, target: Tensor, weights: Tensor | None, region: Tensor | None = None) -> Tensor:
    """Per-image mean squared error [N] in fp32, times its weight. region: [N, h, w] of mean 1: how places count."""
    error = (output.float() - target.float()).square()
    if region is not None:
        error = error * region[:, None]
    means = error.flatten(1).mean(1)
    return means if weights is None else means * weights
