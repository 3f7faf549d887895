"""How the shipped feature network is trained: phase, renderer parameters and image faults, read off phantoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from woundgen.features.embedded import FeatureNetwork
from woundgen.models.images import to_unit

DECORRELATION = 0.02  # VICReg's covariance term (Bardes et al. 2022): 64 features that each say something new


@dataclass(frozen=True, slots=True)
class Targets:
    """phase: int64 [N]; others: float32 [N, K], standardised parameters and 0/1 flags of image faults."""

    phase: NDArray[np.int64]
    others: NDArray[np.float32]


def decorrelation(pooled: Tensor) -> Tensor:
    """Mean square of the off-diagonal correlations of [N, D]."""
    centred = pooled - pooled.mean(0)
    covariance = centred.T @ centred / (len(pooled) - 1)
    off_diagonal = covariance - torch.diag(torch.diagonal(covariance))
    return off_diagonal.square().sum() / pooled.shape[1]


def feature_step(
    network: FeatureNetwork,
    optimizer: torch.optim.Optimizer,
    images: NDArray[np.uint8],
    targets: Targets,
    *,
    batch: int,
    seed: int,
    step: int,
) -> dict[str, float]:
    """One update on a batch that depends on (seed, step) alone; random mirror images."""
    rng, device = np.random.default_rng([seed, step]), network.heads.weight.device
    chosen = rng.integers(0, len(images), batch)
    inputs = to_unit(images[np.sort(chosen)])
    chosen = np.sort(chosen)
    mirrored = torch.from_numpy(rng.random(batch) < 0.5)
    inputs = torch.where(mirrored[:, None, None, None], inputs.flip(3), inputs)
    pooled, outputs = network.train()(inputs.to(device).contiguous(memory_format=torch.channels_last))
    phase = torch.from_numpy(targets.phase[chosen]).to(device)
    others = torch.from_numpy(targets.others[chosen]).to(device)
    phase_loss = F.cross_entropy(outputs[:, :3], phase)
    parameter_loss = F.smooth_l1_loss(outputs[:, 3:], others)
    loss = phase_loss + 2 * parameter_loss + DECORRELATION * decorrelation(pooled)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    accuracy = (outputs[:, :3].argmax(1) == phase).float().mean()
    return {
        "phase": phase_loss.item(),
        "accuracy": accuracy.item(),
        "parameters": parameter_loss.item(),
    }
