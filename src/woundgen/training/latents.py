"""Latents of the photographs, encoded once: posterior mean and deviation of each augmented variation.

A step samples from the posterior, as encoding the image again would, without running the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from woundgen.diffusion.randomness import balanced_rows, batch_rows, normal, uniform


@dataclass(frozen=True, slots=True)
class Latents:
    """mean, deviation: [N, K, C, h, w] for N photographs in K variations each (the first unchanged).

    region: [N, K, h, w] of mean 1, how much each place counts in the loss; None: all alike.
    groups: row numbers that are sampled equally often, however many each has; None: every row alike.
    """

    mean: Tensor
    deviation: Tensor
    scale: float  # the pipeline's scaling_factor
    region: Tensor | None = None
    groups: tuple[tuple[int, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.mean)

    def rows(self, *, seed: int, step: int, batch: int) -> list[int]:
        """Return the rows of the global batch at `step`."""
        if self.groups is None:
            return batch_rows(seed, step, batch=batch, size=len(self))
        return balanced_rows(seed, step, batch=batch, groups=self.groups)

    def sample(self, rows: Sequence[int], *, seed: int, step: int, slots: Sequence[int]) -> Tensor:
        """Sample [len(rows), C, h, w] for slots of the global batch at `step`: a variation, then a posterior sample."""
        index = self._index(rows, seed=seed, step=step, slots=slots)
        noise = normal(self.mean.shape[2:], seed, "posterior", step, slots)
        return (self.mean[index] + self.deviation[index] * noise) * self.scale

    def moments(self, rows: Sequence[int], *, seed: int, step: int, slots: Sequence[int]) -> Tensor:
        """Return posterior mean and deviation [2, len(rows), C, h, w] of the variations that `sample` picks."""
        index = self._index(rows, seed=seed, step=step, slots=slots)
        return torch.stack([self.mean[index], self.deviation[index]])

    def regions(self, rows: Sequence[int], *, seed: int, step: int, slots: Sequence[int]) -> Tensor | None:
        """Return weights [len(rows), h, w] of the variations that `sample` picks."""
        return None if self.region is None else self.region[self._index(rows, seed=seed, step=step, slots=slots)]

    def _index(self, rows: Sequence[int], *, seed: int, step: int, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        variations = self.mean.shape[1]
        picks = [int(uniform(seed, "variation", step, slot) * variations) for slot in slots]
        return torch.tensor(list(rows)), torch.tensor(picks)


def concatenate(photographs: Latents, others: Latents) -> Latents:
    """Return the rows of both, the photographs' first; every place of the others counts alike."""
    region = photographs.region
    if region is not None:
        region = torch.cat([region, torch.ones(len(others), *region.shape[1:])])
    return Latents(
        mean=torch.cat([photographs.mean, others.mean]),
        deviation=torch.cat([photographs.deviation, others.deviation]),
        scale=photographs.scale,
        region=region,
    )
