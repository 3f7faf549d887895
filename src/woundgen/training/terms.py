"""Auxiliary terms of the loss: functions of the clean latent that the network's output implies.

Such an estimate means something at low noise only, and a term may cost more than the step itself: it is taken where
the signal-to-noise ratio is high enough and on a fixed share of the samples, weighted by the inverse of that share,
so that its expectation is that of the full term. Which samples is a function of their position in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from woundgen.diffusion.objective import PredictionType, clean_estimate
from woundgen.training.discriminator import Discriminator


@dataclass(frozen=True, slots=True)
class ExtraTerm:
    """weight x mean over all samples of `loss`, which counts as 0 where the signal-to-noise ratio is below least_snr.

    share: of the samples that it is computed on. loss: (estimate, clean), latents [n, C, h, w] -> [n].
    discriminator: learns from the same samples.
    """

    name: str
    weight: float
    share: float
    least_snr: float
    loss: Callable[[Tensor, Tensor], Tensor]
    discriminator: Discriminator | None = None

    def is_sampled(self, position: int) -> bool:
        """Whether a sample is computed: every (1 / share)-th of the run, at `position` step x global batch + slot."""
        return int((position + 1) * self.share) > int(position * self.share)


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch as a term needs it. positions: of the samples in the run."""

    noisy: Tensor
    clean: Tensor
    timesteps: Tensor
    positions: Sequence[int]


class TermTally:
    """Sums over one step: the loss, each term, and the squared norms of their gradients at the network's output."""

    def __init__(self, terms: Sequence[ExtraTerm], device: torch.device) -> None:
        self.terms = terms
        self.sums = torch.zeros(2 + 2 * len(terms), device=device)

    @property
    def loss(self) -> Tensor:
        """Return the diffusion error alone, so that it means the same with and without terms."""
        return self.sums[0]

    def add(self, place: int, value: Tensor, gradient: Tensor) -> None:
        self.sums[2 * place] += value.detach()
        if self.terms:
            self.sums[2 * place + 1] += gradient.detach().square().sum()

    def add_loss(self, value: Tensor) -> None:
        """Add the diffusion error of a micro-batch whose gradient at the output nobody asks for."""
        self.sums[0] += value

    def summary(self) -> dict[str, float]:
        """Return each term's value and its share of the gradient: its norm among the norms of all."""
        pairs = self.sums.view(-1, 2).tolist()
        norms = [square**0.5 for _, square in pairs]
        values = {}
        for term, (value, _), norm in zip(self.terms, pairs[1:], norms[1:], strict=True):
            values[term.name] = value
            values[f"{term.name}_gradient_share"] = norm / sum(norms) if norm else 0.0
        return values


def add_gradients(
    gradient: Tensor,
    output: Tensor,
    batch: Batch,
    *,
    tally: TermTally,
    alphas_cumprod: Tensor,
    prediction: PredictionType,
    global_batch: int,
) -> Tensor:
    """Return `gradient` [n, C, h, w] of the loss by the network's output, plus that of every term. output: a leaf."""
    abar = alphas_cumprod[batch.timesteps.cpu()]
    for place, term in enumerate(tally.terms, start=1):
        enough = (abar >= term.least_snr * (1 - abar)).tolist()
        rows = [row for row, position in enumerate(batch.positions) if enough[row] and term.is_sampled(position)]
        if not rows:
            continue
        steps, clean = batch.timesteps[rows], batch.clean[rows]
        estimate = clean_estimate(batch.noisy[rows], output[rows], steps, alphas_cumprod, prediction)
        value = term.weight / term.share / global_batch * term.loss(estimate, clean).sum()
        (term_gradient,) = torch.autograd.grad(value, output)
        tally.add(place, value, term_gradient)
        gradient = gradient + term_gradient
        if term.discriminator is not None:
            term.discriminator.learn(estimate.detach(), clean)
    return gradient
