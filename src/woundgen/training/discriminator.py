"""A discriminator of latents, for the adversarial term: real is an encoded photograph, fake the network's estimate.

It works in latent space: latents are cached, so that no decoder runs in the loop. What the decoder adds is outside its
view. Non-saturating loss
(Goodfellow et al. 2014) with the R1 penalty on real latents (Mescheder et al. 2018).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from woundgen.config.optimization_groups import AdversarialOptions
from woundgen.diffusion.randomness import position_seed
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.runtime.ranks import Ranks
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer, strip_prefix

WIDTH = 32


def network(channels: int) -> nn.Sequential:
    """[n, channels, h, w] -> [n, 1, h/4, w/4] logits: patches, so that few photographs give many examples."""
    return nn.Sequential(
        nn.Conv2d(channels, WIDTH, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * WIDTH, 2 * WIDTH, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * WIDTH, 1, 3, 1, 1),
    )


class Discriminator:
    """The network of an adversarial ExtraTerm: `term` is the generator's loss, `learn` and `finish` train it."""

    def __init__(self, channels: int, options: AdversarialOptions, *, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(position_seed(seed, "discriminator"))
            self.network = network(channels).to(device)
        self.flat: FlatParameters = flatten(dict(self.network.named_parameters()))
        self.optimizer = torch.optim.Adam([self.flat.values], lr=options.learning_rate, betas=(0.0, 0.99))
        self.r1 = options.r1
        self.counts = torch.zeros(3, device=device)  # samples, right on real, right on fake

    def term(self, estimate: Tensor, clean: Tensor) -> Tensor:
        """[n], softplus(-D(estimate)); lower where the estimate passes for real."""
        return F.softplus(-self.network(estimate)).flatten(1).mean(1)

    def learn(self, estimate: Tensor, clean: Tensor) -> None:
        """Add the gradient of the discriminator's own loss, summed over samples."""
        real = clean.detach().requires_grad_()
        on_real, on_fake = self.network(real), self.network(estimate.detach())
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        loss = F.softplus(-on_real).flatten(1).mean(1) + F.softplus(on_fake).flatten(1).mean(1)
        loss = loss + 0.5 * self.r1 * slope.square().flatten(1).sum(1)
        loss.sum().backward()
        right = [(on_real.detach() > 0).float().mean(), (on_fake.detach() < 0).float().mean()]
        self.counts += len(clean) * torch.stack([torch.ones_like(right[0]), *right])

    def finish(self, *, finite: bool, ranks: Ranks) -> dict[str, float]:
        """Update once from the gradients of the step; return the shares classified correctly, {} without samples."""
        ranks.all_reduce_sum(self.flat.gradient)
        ranks.all_reduce_sum(self.counts)
        count, real, fake = self.counts.tolist()
        if count and finite and bool(self.flat.gradient.isfinite().all()):
            self.flat.gradient.div_(count)
            self.optimizer.step()
        self.flat.gradient.zero_()
        self.counts.zero_()
        return {"discriminator_real": real / count, "discriminator_fake": fake / count} if count else {}

    def tensors(self) -> dict[str, Tensor]:
        """Return values and moments for a checkpoint, copies on the CPU."""
        moments = {f"optimizer.{key}": value.cpu().clone() for key, value in optimizer_tensors(self.optimizer).items()}
        return {"values": self.flat.values.detach().cpu().clone()} | moments

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.flat.load(tensors["values"].to(self.flat.values.device))
        restore_optimizer(self.optimizer, strip_prefix("optimizer", tensors))
