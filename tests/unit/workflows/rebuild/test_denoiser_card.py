"""Errors of a denoiser whose estimate is known in closed form, and the interval of a ratio."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from woundgen.shipped.architecture import build_scheduler
from woundgen.workflows.rebuild.denoiser_card import estimate_errors, ratio_interval


def _base_that_estimates_nothing(sigma: float) -> Any:
    """A base whose UNet answers the v from which x_0 = 0 follows: v = noisy * sqrt(abar) / sqrt(1 - abar)."""
    unet = lambda noisy, timesteps, encoder_hidden_states: SimpleNamespace(sample=noisy / sigma)  # noqa: E731
    return SimpleNamespace(unet=unet, alphas_cumprod=build_scheduler().alphas_cumprod, prediction="v_prediction")


def test_an_estimate_of_zero_errs_by_the_latents_own_power() -> None:
    latents = torch.randn(40, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    products = build_scheduler().alphas_cumprod
    step = int((((1 - products) / products).sqrt() - 1.0).abs().argmin())
    reached = float(((1 - products[step]) / products[step]).sqrt())
    errors = estimate_errors(_base_that_estimates_nothing(reached), latents, noise, torch.zeros(40, 77, 4), 1.0)
    np.testing.assert_allclose(errors, latents.square().mean(dim=(1, 2, 3)).numpy(), rtol=1e-4)


def test_the_ratio_of_means_and_its_spread() -> None:
    """Against the delta method: the variance of (a - r b) / mean(b) over n (Cochran 1977, eq. 6.9)."""
    rng = np.random.default_rng(2)
    below = rng.uniform(1, 2, 400)
    above = 0.6 * below + rng.normal(0, 0.1, 400)
    interval = ratio_interval(above, below)
    ratio = above.mean() / below.mean()
    spread = np.sqrt(np.var(above - ratio * below, ddof=1) / 400) / below.mean()
    assert interval.value == pytest.approx(ratio)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.966 * spread, rel=0.02)
