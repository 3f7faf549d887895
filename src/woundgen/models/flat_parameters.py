"""Trainable parameters as one vector: one optimizer tensor, one EMA update, one norm, one message between ranks.

AdamW, EMA and the gradient norm are elementwise or a sum over elements, so the flat vector gives exactly what
a list of tensors gives, without a kernel launch or a Python call for each of some hundred small tensors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from woundgen.models.base import BaseModel  # with transformers, which the loop does not need


@dataclass(frozen=True, slots=True)
class FlatParameters:
    """values, gradient: fp32 [P]; the model's parameters and their .grad are views of them, in `names` order."""

    values: nn.Parameter
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @property
    def gradient(self) -> Tensor:
        assert self.values.grad is not None
        return self.values.grad

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """A [P] vector as named tensors (views)."""
        sizes = [shape.numel() for shape in self.shapes]
        pieces = vector.split(sizes)
        return {n: p.view(s) for n, p, s in zip(self.names, pieces, self.shapes, strict=True)}

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Named tensors as one [P] vector, in our order."""
        return torch.cat([tensors[name].reshape(-1).float() for name in self.names])

    @torch.no_grad()
    def load(self, vector: Tensor) -> None:
        self.values.copy_(vector)


def flatten(parameters: Mapping[str, nn.Parameter]) -> FlatParameters:
    """Move parameters into one fp32 vector and make each a view of it."""
    names = tuple(parameters)
    shapes = tuple(parameter.shape for parameter in parameters.values())
    flat = FlatParameters(
        nn.Parameter(torch.cat([p.detach().reshape(-1).float() for p in parameters.values()])), names, shapes
    )
    flat.values.grad = torch.zeros_like(flat.values)
    for parameter, value, gradient in zip(
        parameters.values(),
        flat.split(flat.values.data).values(),
        flat.split(flat.values.grad).values(),
        strict=True,
    ):
        parameter.data = value
        parameter.grad = gradient
    return flat


@contextmanager
def temporarily_load(trainable: FlatParameters, vector: Tensor, base: BaseModel) -> Iterator[None]:
    """Load `vector` in place of the trained values while inside, in evaluation mode; restore both afterwards."""
    before = trainable.values.detach().clone()
    trainable.load(vector)
    base.unet.eval()
    try:
        yield
    finally:
        trainable.load(before)
        base.unet.train()


def weights_digest(vector: Tensor) -> str:
    """SHA-256 of trained values: binds what was measured to the checkpoint that was measured."""
    return hashlib.sha256(vector.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
