"""How the shipped feature network is trained: phase, renderer parameters and image faults, read off phantoms.

Faults come at graded strengths (graded_faults.py) and are read as strengths, so that a distance grows with the fault.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from woundgen.features.embedded import FeatureNetwork
from woundgen.models.images import to_unit
from woundgen.shipped.graded_faults import GRADED_FAULTS, spoil_at_random

DECORRELATION = 0.02  # VICReg's covariance term (Bardes et al. 2022): 64 features that each say something new
FAULT_SHARE = 0.6  # of a batch's images
FAULT_WEIGHT = 6.0


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
    chosen = np.sort(rng.integers(0, len(images), batch))
    pictures, strengths = spoil_at_random(np.asarray(images[chosen]), share=FAULT_SHARE, rng=rng)
    inputs = to_unit(pictures)
    mirrored = torch.from_numpy(rng.random(batch) < 0.5)
    inputs = torch.where(mirrored[:, None, None, None], inputs.flip(3), inputs)
    pooled, outputs = network.train()(inputs.to(device).contiguous(memory_format=torch.channels_last))
    phase = torch.from_numpy(targets.phase[chosen]).to(device)
    others = torch.from_numpy(targets.others[chosen]).to(device)
    phase_loss = F.cross_entropy(outputs[:, :3], phase)
    split = 3 + others.shape[1]
    parameter_loss = F.smooth_l1_loss(outputs[:, 3:split], others)
    fault_loss = F.smooth_l1_loss(outputs[:, split:], torch.from_numpy(strengths).to(device), beta=0.1)
    loss = phase_loss + 2 * parameter_loss + FAULT_WEIGHT * fault_loss + DECORRELATION * decorrelation(pooled)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    accuracy = (outputs[:, :3].argmax(1) == phase).float().mean()
    return {
        "phase": phase_loss.item(),
        "accuracy": accuracy.item(),
        "parameters": parameter_loss.item(),
        "faults": fault_loss.item(),
    }


def count_outputs(targets: Targets) -> int:
    """Heads that the network needs: phases, parameters and flags, strengths of faults."""
    return 3 + targets.others.shape[1] + len(GRADED_FAULTS)
