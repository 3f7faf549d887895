"""Encoded photographs, computed once: posterior mean and deviation of each augmented variation.

A step resamples from the posterior, as encoding the image anew would, without running the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from woundgen.diffusion.randomness import normal, uniform


@dataclass(frozen=True, slots=True)
class Latents:
    """mean, deviation: [N, K, C, h, w] for N photographs in K variations each (the first unchanged)."""

    mean: Tensor
    deviation: Tensor
    scale: float  # the pipeline's scaling_factor

    def __len__(self) -> int:
        return len(self.mean)

    def sample(self, rows: Sequence[int], *, seed: int, step: int, slots: Sequence[int]) -> Tensor:
        """[len(rows), C, h, w] for slots of the global batch at `step`: a variation, then a posterior sample."""
        variations = self.mean.shape[1]
        picks = [int(uniform(seed, "variation", step, slot) * variations) for slot in slots]
        index = (torch.tensor(list(rows)), torch.tensor(picks))
        noise = normal(self.mean.shape[2:], seed, "posterior", step, slots)
        return (self.mean[index] + self.deviation[index] * noise) * self.scale
