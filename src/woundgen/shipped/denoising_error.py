"""How well a denoiser estimates clean latents, against the best linear filter that knows their power spectrum.

A network at a ratio near 1 has learned no more of the pictures than their second moments. The filter is
Wiener's (1949), separately for each channel and spatial frequency.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LatentSpectrum:
    """mean: [C, h, w] of clean latents; power: [C, h, w], the mean squared modulus of each frequency around it."""

    mean: Tensor
    power: Tensor


def measure_spectrum(latents: Tensor) -> LatentSpectrum:
    """Measure the mean and the power spectrum of `latents` [N, C, h, w]; the transform is orthonormal."""
    mean = latents.mean(0)
    power = torch.fft.fft2(latents - mean, norm="ortho").abs().square().mean(0)
    return LatentSpectrum(mean, power)


def filter_linearly(noisy: Tensor, sigma: float, spectrum: LatentSpectrum) -> Tensor:
    """Estimate clean latents from `noisy` = clean + sigma * unit noise, [N, C, h, w], by the Wiener filter."""
    gain = spectrum.power / (spectrum.power + sigma**2)
    frequencies = torch.fft.fft2(noisy - spectrum.mean, norm="ortho") * gain
    return spectrum.mean + torch.fft.ifft2(frequencies, norm="ortho").real


def mean_squared_errors(estimate: Tensor, clean: Tensor) -> Tensor:
    """Average the squared error of each of N latents over its channels and places: [N]."""
    return (estimate - clean).square().mean(dim=(1, 2, 3))


def nearest_timestep(alphas_cumprod: Tensor, sigma: float) -> int:
    """Find the timestep whose noise, over its signal, is nearest to `sigma` on a logarithmic scale."""
    ratios = ((1 - alphas_cumprod) / alphas_cumprod).clamp(min=1e-12).sqrt().log()
    return int((ratios - torch.tensor(sigma).log()).abs().argmin())
