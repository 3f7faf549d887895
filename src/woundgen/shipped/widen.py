"""Make a convolutional network wider without changing what it computes.

Net2Net (Chen et al. 2016, "Net2Net: Accelerating learning via knowledge transfer"): every channel is duplicated, and
what reads a duplicated channel divides its weights between the copies. With group normalisation each group holds the
same values as before, each as often, so that its mean and variance stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

SPLIT_SPREAD = 0.4
"""How unevenly copies share a weight: equal halves would get equal gradients for ever and never part."""


@torch.no_grad()
def copy_widened(narrow: nn.Module, wide: nn.Module, *, factor: int = 2, seed: int = 0) -> None:
    """Fill `wide` with the weights of `narrow`, so that both compute the same function to rounding.

    wide: the same modules, each parameter as large as in `narrow` or `factor` times as large in its first (outputs)
    and second (inputs) dimension. Raises ValueError for another shape.
    """
    generator = torch.Generator().manual_seed(seed)
    source: Mapping[str, Tensor] = narrow.state_dict()
    for name, target in wide.state_dict().items():
        target.copy_(_widen(source[name], target.shape, factor=factor, generator=generator, name=name))


def _widen(value: Tensor, shape: torch.Size, *, factor: int, generator: torch.Generator, name: str) -> Tensor:
    if value.ndim != len(shape):
        raise ValueError(f"{name}: {tuple(value.shape)} cannot be widened to {tuple(shape)}")
    for dim, (now, wanted) in enumerate(zip(value.shape, shape, strict=True)):
        if now == wanted:
            continue
        if wanted != factor * now or dim > 1:
            raise ValueError(f"{name}: {tuple(value.shape)} cannot be widened to {tuple(shape)}")
        value = value.repeat_interleave(factor, dim)
        if dim == 1:
            value = value * _shares(value.shape, factor=factor, generator=generator)
    return value


def _shares(shape: torch.Size, *, factor: int, generator: torch.Generator) -> Tensor:
    """Positive factors for weights [out, factor * in, ...] that add up to 1 over the copies of each input."""
    logits = SPLIT_SPREAD * torch.randn(shape[0], shape[1] // factor, factor, generator=generator)
    shares = logits.softmax(dim=2).reshape(shape[0], shape[1])
    return shares.reshape(shares.shape + (1,) * (len(shape) - 2))
