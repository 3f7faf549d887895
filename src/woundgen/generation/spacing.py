"""Which timesteps a sampler visits: spaced by noise level, not by their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST_NOISE, HIGHEST_NOISE = 0.02, 80.0  # deviations of noise per deviation of signal


def spaced_timesteps(alphas_cumprod: NDArray[np.floating], steps: int) -> list[int]:
    """`steps` falling, distinct training timesteps, evenly spaced in the seventh root of their noise level.

    The spacing of Karras et al. 2022 (eq. 5, rho = 7), between the noise levels that they train on, 0.002 and 80,
    and those of the base; below 0.02 an 8-bit picture does not change. Evenly numbered timesteps of a cosine
    schedule instead begin with a step from 20,000 deviations to 13, where the solver's error is made: with the
    embedded base, 20 steps spaced so draw better than 50 even ones (docs/results.md).

    alphas_cumprod: [T], the schedule's products, falling. steps: 1 to T.
    """
    signal = np.clip(np.asarray(alphas_cumprod, dtype=np.float64), 1e-12, 1 - 1e-12)
    noise = np.sqrt((1 - signal) / signal)
    low, high = max(LOWEST_NOISE, noise[0]), min(HIGHEST_NOISE, noise[-1])
    levels = np.linspace(low ** (1 / 7), high ** (1 / 7), steps) ** 7 if steps > 1 else np.array([high])
    nearest = np.interp(np.log(levels), np.log(noise), np.arange(len(noise))).round().astype(np.int64)
    return _distinct(nearest, end=len(noise))[::-1].tolist()


def _distinct(rising: NDArray[np.int64], *, end: int) -> NDArray[np.int64]:
    """The nearest strictly rising integers below `end`: where two fall together, the later ones move up."""
    places = np.arange(len(rising))
    raised = np.maximum.accumulate(rising - places) + places
    return np.minimum(raised, end - len(rising) + places)
