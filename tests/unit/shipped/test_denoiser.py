"""A step of the shipped base's training: what it draws, and that it is the textbook's step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from woundgen.models.base import BaseModel
from woundgen.shipped import denoiser
from woundgen.shipped.denoiser import CaptionedLatents, DenoiserTraining, begin_denoiser_training, draw_batch
from woundgen.shipped.denoiser import train_denoiser_step as step_once
from woundgen.shipped.fit import set_learning_rate

COUNT, CLASSES = 40, 1000
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")


def captioned(device: str = "cpu") -> CaptionedLatents:
    random = torch.Generator().manual_seed(0)
    mean = torch.randn(COUNT, 4, 8, 8, generator=random)
    tokens = torch.arange(COUNT)[:, None].expand(COUNT, 77) % 20 + 1
    levels = torch.linspace(0.999, 0.001, CLASSES)
    return CaptionedLatents(
        *(t.to(device) for t in (mean, torch.full_like(mean, 0.1), tokens, torch.zeros(77, dtype=torch.int64), levels))
    )


def begun(base: BaseModel, device: str = "cpu") -> DenoiserTraining:
    unet, text_encoder = copy.deepcopy(base.unet), copy.deepcopy(base.text_encoder)
    for module in (unet, text_encoder):
        torch.nn.Module.to(module, device).requires_grad_(True)
    training = begin_denoiser_training(unet, text_encoder)
    set_learning_rate(training.optimizer, 1e-3)
    return training


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    data = captioned()
    one, again, other, reseeded = (
        draw_batch(data, batch=16, seed=seed, step=step) for seed, step in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert torch.equal(one.noisy, again.noisy)
    assert not torch.equal(one.noisy, other.noisy)
    assert not torch.equal(one.noisy, reseeded.noisy)


def test_timesteps_cover_the_schedule_evenly() -> None:
    timesteps = draw_batch(captioned(), batch=100, seed=1, step=3).timesteps
    assert sorted((timesteps // (CLASSES // 100)).tolist()) == list(range(100))


def test_a_tenth_of_the_captions_is_left_out() -> None:
    dropped = torch.cat([draw_batch(captioned(), batch=500, seed=1, step=s).tokens[:, 0] == 0 for s in range(8)])
    assert dropped.float().mean().item() == pytest.approx(0.1, abs=0.02)  # 4000 draws: four deviations are 0.019


def test_noisy_latents_and_velocity_give_back_the_clean_latents() -> None:
    """x_0 = sqrt(abar) x_t - sqrt(1 - abar) v (Salimans & Ho 2022, appendix D)."""
    data = captioned()
    batch = draw_batch(data, batch=64, seed=1, step=0)
    abar = data.alphas_cumprod[batch.timesteps].view(-1, 1, 1, 1)
    clean = abar.sqrt() * batch.noisy - (1 - abar).sqrt() * batch.target
    kept = batch.tokens[:, 0] != 0
    distance = (clean[kept, None] - data.mean[None]).square().mean(dim=(2, 3, 4)).sqrt()
    nearest = distance.min(dim=1)
    assert nearest.values.mean().item() == pytest.approx(0.1, abs=0.01)  # the posterior's deviation
    assert torch.equal(data.tokens[nearest.indices, 0], batch.tokens[kept, 0]), "the caption of the same row"


def test_a_step_is_that_of_plain_torch(loaded_base: BaseModel) -> None:
    """Both networks, AdamW, clipping by norm and the average, written without a flat vector."""
    data = captioned()
    training = begun(loaded_base)
    unet, text_encoder = copy.deepcopy(loaded_base.unet), copy.deepcopy(loaded_base.text_encoder)
    parameters = [*unet.requires_grad_(True).parameters(), *text_encoder.requires_grad_(True).parameters()]
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)
    for step in range(3):
        loss = step_once(training, data, batch=8, seed=1, step=step)["loss"]
        batch = draw_batch(data, batch=8, seed=1, step=step)
        output = unet(batch.noisy, batch.timesteps, text_encoder(batch.tokens)[0]).sample
        expected = (output - batch.target).square().mean()
        optimizer.zero_grad()
        expected.backward()
        torch.nn.utils.clip_grad_norm_(parameters, denoiser.LARGEST_GRADIENT)
        optimizer.step()
        average = [a + (1 - denoiser.AVERAGE) * (p.detach() - a) for a, p in zip(average, parameters, strict=True)]
        assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(training.average, torch.cat([a.reshape(-1) for a in average]), rtol=0, atol=1e-5)
    moved = training.average - begun(loaded_base).average
    assert moved.abs().max() > 1e-7


@on_a_gpu
def test_a_recorded_step_is_the_plain_one(make_base: Callable[[], BaseModel]) -> None:
    """Twice from the same weights: the recording's warm-up leaves values, average and moments as they were."""
    data, losses = captioned("cuda"), []
    for plain in (True, False):
        training = begun(make_base(), "cuda")
        if plain:
            training.recorded = lambda batch, training=training: denoiser._update(training, batch)
        losses.append([step_once(training, data, batch=8, seed=1, step=s)["loss"].item() for s in range(5)])
    assert losses[1] == pytest.approx(losses[0], rel=5e-2)
