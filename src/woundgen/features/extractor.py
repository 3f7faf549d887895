"""Interface of every feature network: images in, vectors or activations out, batch by batch.

A network is named with the digest of its weights, because a number without them cannot be compared. Each
takes the same images (uint8, channels last) and prepares them as its authors did; `input` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from woundgen.errors import UserError

Images = NDArray[np.uint8]
Gives = Literal["pooled", "layers", "probabilities"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Of one batch. pooled [n, d]; layers [n, C, h, w] each; probabilities [n, classes]; None where not given."""

    pooled: Tensor | None = None
    layers: tuple[Tensor, ...] = ()
    probabilities: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Extractor:
    """A feature network in evaluation mode.

    input: in words, what the network is fed. gives: which outputs it has.
    run: float32 [n, 3, H, W] in 0..255 -> Outputs. module: its weights (what moves to a device).
    layer_weights: per layer [C] >= 0, how much each channel counts in a perceptual distance; None: all 1.
    batch: images at once; bounds memory.
    """

    name: str
    digest: str
    input: str
    gives: frozenset[Gives]
    module: nn.Module
    run: Callable[[Tensor], Outputs]
    layer_weights: tuple[NDArray[np.float32], ...] | None = None
    batch: int = 32

    @property
    def cache_key(self) -> str:
        """Return what decides its outputs: the weights, and how images are fed."""
        return f"{self.digest} {self.input}"

    def pooled(self, images: Images) -> NDArray[np.float64]:
        """[N, d] of uint8 [N, H, W, 3]."""
        return self._vectors(images, "pooled")

    def probabilities(self, images: Images) -> NDArray[np.float64]:
        """[N, classes], rows sum to 1."""
        return self._vectors(images, "probabilities")

    def layers(self, images: Images) -> list[NDArray[np.float32]]:
        """[N, C, h, w] for each layer. All in memory: give as many images as fit."""
        self.require("layers")
        found = [[layer.cpu().numpy() for layer in one.layers] for one in self.outputs(images)]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def outputs(self, images: Images) -> Iterator[Outputs]:
        """Everything, one batch after the other: what more than one consumer shares."""
        device = next(self.module.parameters()).device
        for first in range(0, len(images), self.batch):
            with torch.no_grad():
                yield self.run(as_tensor(images[first : first + self.batch]).to(device))

    def require(self, what: Gives) -> None:
        if what not in self.gives:
            raise UserError(f"Feature network {self.name} gives no {what}, only {', '.join(sorted(self.gives))}.")

    def _vectors(self, images: Images, what: Literal["pooled", "probabilities"]) -> NDArray[np.float64]:
        self.require(what)
        parts = [getattr(one, what).cpu().double().numpy() for one in self.outputs(images)]
        return np.concatenate(parts)


def as_tensor(images: Images) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0..255."""
    assert images.dtype == np.uint8, "values of 0..255, not 0..1"
    assert images.ndim == 4 and images.shape[-1] == 3, "[N, H, W, 3]"  # noqa: PT018
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()


def normalised(images: Tensor, *, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
    """(x - mean) / deviation by channel, of [N, 3, H, W]."""
    shape = (1, 3, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(deviation).view(shape)
