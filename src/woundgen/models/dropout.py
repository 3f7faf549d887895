"""Dropout masks as a function of (seed, step, sample, layer): equal after a resume, on any batch split.

torch's dropout draws from a global generator, so a mask depends on everything drawn before. Here each sample
of the global batch owns a stream of random bytes; layers take from it in forward order, and a layer met again
in the same step (gradient checkpointing recomputes) gets the mask it had.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class DropoutMasks:
    """Call `begin` with one byte source per sample of the micro-batch, then run the model.

    The rate is rounded to 1/256, so that one random byte decides an element: 0.1 becomes 26/256 = 0.1016.
    """

    def __init__(self, rate: float) -> None:
        self.threshold = round(rate * 256)
        self.keep = 1 - self.threshold / 256
        self._sources: Sequence[np.random.Generator] = ()
        self._masks: dict[str, Tensor] = {}

    @property
    def active(self) -> bool:
        return bool(self._sources)

    def begin(self, sources: Sequence[np.random.Generator]) -> None:
        """Start a micro-batch; an empty list switches dropout off (evaluation)."""
        self._sources = sources
        self._masks.clear()

    def scaled_mask(self, layer: str, x: Tensor) -> Tensor:
        """0 or 1/keep for each element of x [N, ...]; N is the number of sources."""
        mask = self._masks.get(layer)
        if mask is None:
            assert len(x) == len(self._sources), "one byte source for each sample"
            count = x[0].numel()
            noise = np.stack([np.frombuffer(source.bytes(count), np.uint8) for source in self._sources])
            mask = torch.from_numpy(noise).to(x.device).ge(self.threshold).view(x.shape)
            self._masks[layer] = mask
        return mask.to(torch.float32).mul_(1 / self.keep)
