"""Between photographs (uint8, channels last) and what networks take (float, channels first, -1..1)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def to_unit(images: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """[N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3], rounded as diffusers does."""
    unit = (images.float() * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    return (unit * 255).round().to(torch.uint8).cpu().numpy()


@torch.no_grad()
def encode_images(vae: nn.Module, images: NDArray[np.uint8], *, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Posterior mean and deviation on the CPU, each [N, C, H/8, W/8] fp32, before the scaling factor."""
    device = next(vae.parameters()).device
    means, deviations = [], []
    for first in range(0, len(images), batch):
        posterior = vae.encode(to_unit(images[first : first + batch]).to(device)).latent_dist  # type: ignore[operator]
        means.append(posterior.mean.float().cpu())
        deviations.append(posterior.std.float().cpu())
    return torch.cat(means), torch.cat(deviations)


@torch.no_grad()
def round_trip(vae: nn.Module, images: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.uint8]:
    """Real -> autoencoder -> real: the ceiling of any model that draws through this autoencoder."""
    device = next(vae.parameters()).device
    parts = []
    for first in range(0, len(images), batch):
        latent = vae.encode(to_unit(images[first : first + batch]).to(device)).latent_dist.mode()  # type: ignore[operator]
        parts.append(to_pixels(vae.decode(latent).sample))  # type: ignore[operator]
    return np.concatenate(parts)
