"""The second stage of the embedded base's autoencoder: the decoder alone, on the latents of the frozen encoder.

Pixels, texture in windows at random offsets, an even spread of detail over the latent grid, and a patch discriminator
(decoder_losses.py, patch_discriminator.py). Half of the latents carry noise, since what a UNet draws is never exactly
what an encoder writes. Each step is a function of (seed, step).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from woundgen.shipped.autoencoder import GRADIENT_WEIGHT, crops, gradient_l1, multiscale_l1, opponent
from woundgen.shipped.decoder_losses import CELL, lattice_excess, texture_distance
from woundgen.shipped.patch_discriminator import build_patch_discriminator, discriminator_loss, generator_loss

PIXEL_WEIGHT = 1.0
TEXTURE_WEIGHT = 14.0
LATTICE_WEIGHT = 5.0
ADVERSARIAL_WEIGHT = 0.2
ADVERSARIAL_FROM = 100  # steps before which the discriminator learns alone
LATENT_NOISE = 0.12  # largest deviation of the noise on latents, whose own deviations have mean square 1
WHOLE_EVERY = 8  # steps between those that see whole images, because padding falls elsewhere in them
AVERAGE = 0.995  # of the exponential moving average that ships


@dataclass(slots=True)
class DecoderTraining:
    """The autoencoder (encoder frozen), what its decoder's average is, and the discriminator, with their optimizers."""

    vae: AutoencoderKL
    average: nn.ModuleDict
    discriminator: nn.Module
    optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer


def begin_decoder_training(vae: AutoencoderKL) -> DecoderTraining:
    """Freeze the encoder and set up what the steps change."""
    vae.train().requires_grad_(False)
    trained = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    average = copy.deepcopy(nn.ModuleDict({"decoder": vae.decoder, "post_quant_conv": vae.post_quant_conv}))
    device = trained[0].device
    discriminator = build_patch_discriminator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return DecoderTraining(
        vae=vae,
        average=average.requires_grad_(False),
        discriminator=discriminator,
        optimizer=torch.optim.Adam(trained, lr=0.0, betas=(0.5, 0.99)),
        discriminator_optimizer=torch.optim.Adam(discriminator.parameters(), lr=0.0, betas=(0.5, 0.99)),
    )


def train_decoder_step(
    training: DecoderTraining, images: NDArray[np.uint8], *, batch: int, seed: int, step: int
) -> dict[str, float]:
    """Update decoder and discriminator once; images: uint8 [N, S, S, 3], from which `batch` crops of 64 x 64 are cut.

    Returns what to log: pixel, texture and lattice terms, PSNR in dB, the discriminator's accuracy.
    """
    rng = np.random.default_rng([seed, step, 3])
    device = next(training.vae.decoder.parameters()).device
    whole = step % WHOLE_EVERY == WHOLE_EVERY - 1
    side = images.shape[1] if whole else 64
    inputs = crops(images, batch=max(1, batch // 4) if whole else batch, size=side, rng=rng).to(device)
    with torch.no_grad():
        latents = training.vae.encode(inputs).latent_dist.mode()
        latents = _add_noise(latents, rng)
    decoded = training.vae.decode(latents).sample

    right = _update_discriminator(training, inputs, decoded)

    difference = opponent(decoded) - opponent(inputs)
    pixel = multiscale_l1(difference) + GRADIENT_WEIGHT * gradient_l1(difference)
    offset = tuple(int(value) for value in rng.integers(0, CELL, 2))
    texture = texture_distance(decoded, inputs, offset=(offset[0], offset[1]))
    lattice = lattice_excess(decoded, inputs)
    loss = PIXEL_WEIGHT * pixel + TEXTURE_WEIGHT * texture + LATTICE_WEIGHT * lattice
    if step >= ADVERSARIAL_FROM:
        loss = loss + ADVERSARIAL_WEIGHT * generator_loss(training.discriminator, decoded)
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(training.optimizer.param_groups[0]["params"], 1.0)
    training.optimizer.step()
    _update_average(training, step=step)
    mse = F.mse_loss(decoded.detach().clamp(-1, 1), inputs).item() / 4
    return {
        "pixel": pixel.item(),
        "texture": texture.item(),
        "lattice": lattice.item(),
        "psnr": -10 * float(np.log10(mse)),
        "discriminator": right,
    }


def averaged_autoencoder(training: DecoderTraining) -> AutoencoderKL:
    """A copy of the autoencoder with the averaged decoder."""
    vae = copy.deepcopy(training.vae)
    vae.decoder.load_state_dict(training.average["decoder"].state_dict())
    vae.post_quant_conv.load_state_dict(training.average["post_quant_conv"].state_dict())
    return vae


def _add_noise(latents: Tensor, rng: np.random.Generator) -> Tensor:
    """Half of the rows as they are, the others with noise of a random deviation up to LATENT_NOISE."""
    deviation = rng.uniform(0, LATENT_NOISE, len(latents)) * (rng.random(len(latents)) < 0.5)
    noise = torch.from_numpy(rng.standard_normal(tuple(latents.shape), np.float32)).to(latents.device)
    return latents + torch.from_numpy(deviation.astype(np.float32)).to(latents.device)[:, None, None, None] * noise


def _update_discriminator(training: DecoderTraining, inputs: Tensor, decoded: Tensor) -> float:
    loss, right = discriminator_loss(training.discriminator, inputs, decoded)
    training.discriminator_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    training.discriminator_optimizer.step()
    return right


@torch.no_grad()
def _update_average(training: DecoderTraining, *, step: int) -> None:
    decay = min(AVERAGE, (1 + step) / (10 + step))
    live = nn.ModuleDict({"decoder": training.vae.decoder, "post_quant_conv": training.vae.post_quant_conv})
    for mean, value in zip(training.average.parameters(), live.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
