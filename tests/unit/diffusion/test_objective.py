"""The algebra against diffusers' DDPMScheduler and against itself."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch import Tensor

from woundgen.diffusion.objective import (
    PredictionType,
    add_noise,
    clean_estimate,
    min_snr_weights,
    training_target,
    weighted_error,
)

PREDICTIONS: tuple[PredictionType, ...] = ("epsilon", "v_prediction", "sample")
GAMMA = 5.0


def scheduler_for(prediction: str) -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
    )


@pytest.fixture(scope="module")
def alphas() -> Tensor:
    return scheduler_for("epsilon").alphas_cumprod


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """clean, noise [6, 4, 5, 7] and timesteps that hold both ends of the schedule."""
    source = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, 6, 4, 5, 7, generator=source)
    return clean, noise, torch.tensor([0, 1, 250, 500, 998, 999])


def test_forward_process_equals_diffusers(alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    clean, noise, timesteps = batch
    theirs = scheduler_for("epsilon").add_noise(clean, noise, timesteps)
    torch.testing.assert_close(add_noise(clean, noise, timesteps, alphas), theirs, rtol=1e-6, atol=1e-6)


def test_targets(alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """v as diffusers' get_velocity; the other two are what their names say."""
    clean, noise, timesteps = batch
    velocity = scheduler_for("v_prediction").get_velocity(clean, noise, timesteps)
    ours = training_target(clean, noise, timesteps, alphas, "v_prediction")
    torch.testing.assert_close(ours, velocity, rtol=1e-6, atol=1e-6)
    assert training_target(clean, noise, timesteps, alphas, "epsilon") is noise
    assert training_target(clean, noise, timesteps, alphas, "sample") is clean


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_perfect_output_gives_the_clean_image(
    prediction: PredictionType, alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    """Forward, target and estimate are inverses of one another (in float64: 1/sqrt(abar) is large at t = 999)."""
    clean, noise, timesteps = batch[0].double(), batch[1].double(), batch[2]
    noisy = add_noise(clean, noise, timesteps, alphas.double())
    target = training_target(clean, noise, timesteps, alphas.double(), prediction)
    estimate = clean_estimate(noisy, target, timesteps, alphas.double(), prediction)
    torch.testing.assert_close(estimate, clean, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_estimate_equals_diffusers(
    prediction: PredictionType, alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    """`pred_original_sample` of a DDPM step, for an output that is not perfect."""
    noisy, output, timesteps = batch
    theirs = torch.cat(
        [
            scheduler_for(prediction).step(output[i : i + 1], int(t), noisy[i : i + 1]).pred_original_sample
            for i, t in enumerate(timesteps)
        ]
    )
    ours = clean_estimate(noisy, output, timesteps, alphas, prediction)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_levels_keep_the_dtype_of_the_images(alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    clean, noise, timesteps = batch
    assert add_noise(clean.bfloat16(), noise.bfloat16(), timesteps, alphas).dtype == torch.bfloat16


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_in_closed_form(prediction: PredictionType, alphas: Tensor) -> None:
    """min(SNR, gamma) over 1, SNR or SNR + 1 (Hang et al. 2023), SNR as diffusers computes it."""
    timesteps = torch.arange(0, 1000, 7)
    snr = compute_snr(scheduler_for(prediction), timesteps)
    capped = torch.stack([snr, torch.full_like(snr, GAMMA)]).min(dim=0).values
    expected = capped / {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[prediction]
    ours = min_snr_weights(timesteps, alphas, gamma=GAMMA, prediction=prediction)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    assert (snr > GAMMA).any()
    assert (snr < GAMMA).any()


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_is_one_weight_on_the_clean_image(
    prediction: PredictionType, alphas: Tensor, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    """Whatever is predicted, the weighted error is min(SNR, gamma) times the error of the implied clean image."""
    clean, noise, timesteps = batch[0].double(), batch[1].double(), batch[2]
    abar = alphas.double()
    noisy = add_noise(clean, noise, timesteps, abar)
    target = training_target(clean, noise, timesteps, abar, prediction)
    output = target + 0.1 * noise.roll(1, 0)
    weights = min_snr_weights(timesteps, abar, gamma=GAMMA, prediction=prediction)
    squared = (output - target).square().flatten(1).mean(1)
    estimate = clean_estimate(noisy, output, timesteps, abar, prediction)
    snr = (abar / (1 - abar))[timesteps]
    expected = snr.clamp(max=GAMMA) * (estimate - clean).square().flatten(1).mean(1)
    torch.testing.assert_close(weights * squared, expected, rtol=1e-8, atol=0)


def test_error_is_per_image_in_single_precision() -> None:
    """Two images of four values: (1 + 0 + 4 + 1) / 4 and 0, then weighted."""
    output = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    target = torch.tensor([[[[0.0, 2.0], [1.0, 3.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    assert weighted_error(output, target, None).tolist() == [1.5, 0.0]
    assert weighted_error(output, target, torch.tensor([2.0, 3.0])).tolist() == [3.0, 0.0]
    assert weighted_error(output.bfloat16(), target.bfloat16(), None).dtype == torch.float32
