"""The linear filter against its closed-form error, and timesteps against the schedule."""

from __future__ import annotations

import math

import pytest
import torch

from woundgen.shipped.architecture import build_scheduler
from woundgen.shipped.denoising_error import (
    filter_linearly,
    mean_squared_errors,
    measure_spectrum,
    nearest_timestep,
)


def _smooth_latents(count: int, seed: int) -> torch.Tensor:
    """Gaussian latents [count, 2, 8, 8] with a falling spectrum, so that a filter has something to gain."""
    noise = torch.randn(count, 2, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    row, column = torch.meshgrid(torch.fft.fftfreq(8), torch.fft.fftfreq(8), indexing="ij")
    falling = 1 / (0.05 + row.square() + column.square()).double()
    return torch.fft.ifft2(torch.fft.fft2(noise) * falling / falling.square().mean().sqrt()).real


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.5])
def test_the_filters_error_is_that_of_wiener(sigma: float) -> None:
    """Its expected error a place is the mean over frequencies of P s^2 / (P + s^2) (Wiener 1949)."""
    clean = _smooth_latents(4000, 1)
    spectrum = measure_spectrum(clean)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    error = mean_squared_errors(filter_linearly(clean + sigma * noise, sigma, spectrum), clean)
    expected = (spectrum.power * sigma**2 / (spectrum.power + sigma**2)).mean()
    assert error.mean().item() == pytest.approx(expected.item(), rel=0.02)
    assert error.mean() < min(sigma**2, clean.var().item())


def test_no_other_gain_does_better() -> None:
    clean = _smooth_latents(2000, 3)
    spectrum = measure_spectrum(clean)
    noisy = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    best = mean_squared_errors(filter_linearly(noisy, 1.0, spectrum), clean).mean()
    for wrong in (0.5, 2.0):
        assert mean_squared_errors(filter_linearly(noisy, wrong, spectrum), clean).mean() > best


@pytest.mark.parametrize("sigma", [0.1, 3.5])
def test_the_timestep_has_the_noise_that_is_asked(sigma: float) -> None:
    products = build_scheduler().alphas_cumprod
    step = nearest_timestep(products, sigma)
    reached = math.sqrt((1 - products[step]) / products[step])
    assert reached == pytest.approx(sigma, rel=0.05)
