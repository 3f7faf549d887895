"""How the embedded base's autoencoder is trained.

A plain L1 autoencoder of this size wakes its latent channels one at a time, luminance first, and stays
blurred and brown (docs/results.md). Three remedies, each a term below: opponent colours with chroma weighted
up; latents drawn at first towards the principal components of 8x8 blocks, which are alive, uncorrelated and
already hold most of the picture; and a match of local texture energy, which asks for the right amount of detail
where its exact place cannot be coded. The decoder goes on alone afterwards: training/decoder.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from woundgen.models.images import to_unit

KL_WEIGHT = 1e-7
GRADIENT_WEIGHT = 0.5
TEXTURE_WEIGHT = 1.0
BOOTSTRAP_STEPS = 2000


def opponent(images: Tensor) -> Tensor:
    """[N, 3, H, W] RGB -> luminance, 3 x (red - green), 3 x (blue - yellow): chroma errors weigh three times."""
    red, green, blue = images.unbind(1)
    return torch.stack(((red + green + blue) / 3, 1.5 * (red - green), 1.5 * (blue - (red + green) / 2)), dim=1)


def multiscale_l1(difference: Tensor) -> Tensor:
    """Mean absolute difference at full, half and quarter resolution, summed."""
    return torch.stack([F.avg_pool2d(difference, size).abs().mean() for size in (1, 2, 4)]).sum()


def gradient_l1(difference: Tensor) -> Tensor:
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def texture_energy(images: Tensor) -> Tensor:
    """Local root-mean-square of three luminance band-passes in 8x8 windows, [N, 3, H/8, W/8]."""
    luminance = images.mean(1, keepdim=True)
    half = F.avg_pool2d(luminance, 2)
    fine = luminance - F.interpolate(half, scale_factor=2.0, mode="bilinear")
    laplacian = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], device=images.device).view(1, 1, 3, 3)
    bands = (
        (F.conv2d(F.pad(luminance, (1, 1, 1, 1), mode="replicate"), laplacian) / 4, 8),
        (fine, 8),
        (half - F.interpolate(F.avg_pool2d(half, 2), scale_factor=2.0, mode="bilinear"), 4),
    )
    return torch.cat([F.avg_pool2d(band.square(), window).add(1e-6).sqrt() for band, window in bands], dim=1)


@dataclass(frozen=True, slots=True)
class BlockBasis:
    """Leading principal components of 8x8 colour blocks.

    weight: [C, 192, 1, 1]; offset: [C]; deviation: [C], of the components before they are standardised.
    """

    weight: Tensor
    offset: Tensor
    deviation: Tensor

    def to(self, device: str) -> BlockBasis:
        return BlockBasis(self.weight.to(device), self.offset.to(device), self.deviation.to(device))

    def codes(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, C, H/8, W/8], of unit variance over the images the basis was fitted on."""
        return F.conv2d(F.pixel_unshuffle(images, 8), self.weight, self.offset)


def fit_block_basis(images: Tensor, channels: int) -> BlockBasis:
    """Principal components of the non-overlapping 8x8 blocks of [N, 3, H, W]."""
    blocks = F.pixel_unshuffle(images, 8).permute(0, 2, 3, 1).reshape(-1, 3 * 64)
    mean = blocks.mean(0)
    variances, vectors = torch.linalg.eigh(torch.cov(blocks.T))
    deviation = variances.flip(0)[:channels].sqrt()
    components = vectors.flip(1)[:, :channels] / deviation
    return BlockBasis(
        weight=components.T[:, :, None, None].contiguous(), offset=-(mean @ components), deviation=deviation
    )


def latent_spread(basis: BlockBasis) -> Tensor:
    """[C] deviations to give the latent channels: roots of their natural ones, mean square 1.

    At equal deviations the faintest texture weighs in the base's loss as much as brightness and is drawn at the same
    noise level, and wounds come out incoherent; at natural ones (sixteen to one) texture would be decided in the very
    last steps. Between the two, coarse structure comes first and texture follows it.
    """
    return basis.deviation.sqrt() / basis.deviation.mean().sqrt()


def crops(images: NDArray[np.uint8], *, batch: int, size: int, rng: np.random.Generator) -> Tensor:
    """Random crops at multiples of 8 pixels (where the latent grid sits), mirrored half of the time.

    Crops of 64 give four times the images at equal cost; the last part of a run should see whole images,
    because padding falls elsewhere in them (crops alone leave a one-cell frame).
    """
    chosen = np.sort(rng.integers(0, len(images), batch))
    room = (images.shape[1] - size) // 8
    corners = 8 * rng.integers(0, room + 1, (batch, 2))
    cut = np.stack([images[i, y : y + size, x : x + size] for i, (y, x) in zip(chosen, corners, strict=True)])
    mirrored = rng.random(batch) < 0.5
    cut[mirrored] = cut[mirrored, :, ::-1]
    return to_unit(cut).contiguous(memory_format=torch.channels_last)


def pull_towards_basis(step: int) -> float:
    """Weight of the pull: falls to a trace that keeps the latents well conditioned."""
    return max(0.02, 1 - step / BOOTSTRAP_STEPS)


def picture_terms(decoded: Tensor, inputs: Tensor, *, texture_weight: float) -> tuple[Tensor, dict[str, float]]:
    """Pixel and texture terms, and what to log of them."""
    difference = opponent(decoded) - opponent(inputs)
    pixel = multiscale_l1(difference) + GRADIENT_WEIGHT * gradient_l1(difference)
    texture = (texture_energy(decoded) - texture_energy(inputs)).abs().mean()
    mse = (decoded.detach().clamp(-1, 1) - inputs).square().mean() / 4
    terms = {"pixel": pixel.item(), "texture": texture.item(), "psnr": -10 * torch.log10(mse).item()}
    return pixel + texture_weight * texture, terms


def autoencoder_step(
    model: AutoencoderKL,
    optimizer: torch.optim.Optimizer,
    basis: BlockBasis,
    inputs: Tensor,
    *,
    step: int,
    noise: torch.Generator,
) -> dict[str, float]:
    """First stage: encoder and decoder together, on crops [N, 3, H, W] in [-1, 1]."""
    posterior = model.encode(inputs).latent_dist
    codes = basis.codes(inputs)
    # Every other step decodes the basis itself, so that the decoder need not wait for the encoder.
    latents = codes if step % 2 else posterior.sample(generator=noise)
    loss, terms = picture_terms(model.decode(latents).sample, inputs, texture_weight=TEXTURE_WEIGHT)
    kl = posterior.kl().mean()
    pull = F.mse_loss(posterior.mean, codes)
    loss = loss + KL_WEIGHT * kl + pull_towards_basis(step) * pull
    _update(model, optimizer, loss)
    return terms | {"kl": kl.item(), "pull": pull.item()}


def _update(model: AutoencoderKL, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


@torch.no_grad()
def standardise_latents(model: AutoencoderKL, mean: Tensor, deviation: Tensor) -> None:
    """Fold (z - mean) / deviation per channel into quant_conv, and its inverse into post_quant_conv.

    With the channels' own mean and deviation, a stock pipeline sees latents of zero mean and unit variance at
    scaling_factor 1; with deviation / spread, latents of that spread.
    """
    assert model.quant_conv is not None
    assert model.post_quant_conv is not None
    channels = len(mean)
    quant, post = model.quant_conv, model.post_quant_conv
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
    post.weight *= deviation[None, :, None, None]
    quant.weight[:channels] /= deviation[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / deviation
    quant.bias[channels:] -= 2 * torch.log(deviation)
