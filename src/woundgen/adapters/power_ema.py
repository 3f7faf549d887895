"""Post-hoc EMA: two averages kept while training, an average of any length built from their snapshots afterwards.

Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3 and appendix C.
An average whose weights follow the power t^gamma is as long as a fixed share of the training, whatever the training's
length; sigma_rel, the width of that profile over the training so far, names it. Snapshots of two lengths span the
profiles between and around them, and least squares finds the combination nearest to the one asked for.

The profile here is the paper's density integrated over each update, which is what beta(t) = (1 - 1/t)^(gamma + 1) gives
exactly; so the fit is exact on short runs, too, where the paper's continuous time is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LENGTHS = (0.05, 0.10)  # the two that the paper keeps

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An average of length `sigma` after `updates` updates."""

    updates: int
    sigma: float


@dataclass(frozen=True, slots=True)
class SnapshotFit:
    """coefficients: of the snapshots, in their order. error: of the profile reached, relative to the one asked for."""

    coefficients: NDArray[np.float64]
    error: float


def gamma_of(sigma: float) -> float:
    """The power whose profile has relative width sigma: (g + 1) sigma^-2 = (g + 2)^2 (g + 3)."""
    inverse = sigma**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def decay_at(update: int, *, gamma: float) -> float:
    """Decay of the update number `update`, counting from 1; the first takes the weights as they are."""
    return (1 - 1 / update) ** (gamma + 1)


@torch.no_grad()
def update_power(average: Tensor, values: Tensor, update: int, *, sigma: float) -> None:
    """average <- decay * average + (1 - decay) * values, in place; both [P]. update counts from 1."""
    average.lerp_(values, 1 - decay_at(update, gamma=gamma_of(sigma)))


def profile(one: Snapshot, *, among: int) -> Profile:
    """How much the weights after update 1, 2, ... `among` count in a snapshot, float64 [among]; sums to 1."""
    edges = np.minimum(np.arange(among + 1), one.updates) / one.updates
    return np.diff(edges ** (gamma_of(one.sigma) + 1))


def fit(snapshots: Sequence[Snapshot], wanted: Snapshot) -> SnapshotFit:
    """The combination of snapshots whose profile is nearest to the wanted one, in the least-squares sense."""
    among = max(one.updates for one in (*snapshots, wanted))
    columns = np.stack([profile(one, among=among) for one in snapshots], axis=1)
    target = profile(wanted, among=among)
    coefficients = np.asarray(np.linalg.lstsq(columns, target, rcond=1e-10)[0], np.float64)
    error = np.linalg.norm(columns @ coefficients - target) / np.linalg.norm(target)
    return SnapshotFit(coefficients, float(error))
