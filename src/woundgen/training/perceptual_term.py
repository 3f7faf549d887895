"""The perceptual distance of decoded latents, differentiable: LPIPS' form in a fixed feature network.

Zhang et al. 2018, eq. 1: activations scaled to unit length over channels, squared differences weighted by channel,
averaged over positions, summed over layers. Estimate and photograph both go through the decoder, so that the term asks
for what the UNet can give and not for what the autoencoder has lost.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from woundgen.features.extractor import Extractor

NORM_EPSILON = 1e-6  # inside the root, where 1e-10 outside it has no gradient at a dead position


def latent_distance(vae: nn.Module, features: Extractor, *, scale: float) -> Callable[[Tensor, Tensor], Tensor]:
    """(estimate, clean), latents [n, C, h, w] as the UNet sees them -> [n] distances; gradient by the estimate."""
    features.require("layers")
    weights = None if features.layer_weights is None else [torch.from_numpy(w) for w in features.layer_weights]

    def layers(latents: Tensor) -> tuple[Tensor, ...]:
        images = (vae.decode(latents / scale).sample + 1) * 127.5  # type: ignore[operator]
        return tuple(map(_unit, features.run(images).layers))

    def distance(estimate: Tensor, clean: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = layers(clean)
        total = torch.zeros(len(clean), device=clean.device)
        for number, (estimated, target) in enumerate(zip(layers(estimate), wanted, strict=True)):
            squares = (estimated - target).square()
            if weights is not None:
                squares = squares * weights[number].to(squares.device)[:, None, None]
            total = total + squares.sum(1).mean((1, 2))
        return total

    return distance


def _unit(layer: Tensor) -> Tensor:
    return layer * (layer.square().sum(1, keepdim=True) + NORM_EPSILON).rsqrt()
