"""Trained values as one vector: put in place for a while, and named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from woundgen.models.base import BaseModel
from woundgen.models.flat import FlatParameters


@contextmanager
def using(trainable: FlatParameters, vector: Tensor, base: BaseModel) -> Iterator[None]:
    """Run with `vector` in place of the trained values, in evaluation mode; both are put back afterwards."""
    kept = trainable.values.detach().clone()
    trainable.load(vector)
    base.unet.eval()
    try:
        yield
    finally:
        trainable.load(kept)
        base.unet.train()


def weights_digest(vector: Tensor) -> str:
    """SHA-256 of trained values: binds what was measured to the checkpoint that was measured."""
    return hashlib.sha256(vector.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
