"""Timesteps spaced as Karras et al. 2022 space noise levels, against diffusers' own and by algebra."""

import itertools

import numpy as np
import pytest
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from woundgen.generation.spacing import spaced_timesteps

COSINE = {"beta_schedule": "squaredcos_cap_v2"}
STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def products(**schedule: object) -> np.ndarray:
    return DDPMScheduler(**schedule).alphas_cumprod.numpy()


def noise_at(alphas: np.ndarray, timesteps: list[int]) -> np.ndarray:
    return np.sqrt((1 - alphas) / alphas)[timesteps]


@pytest.mark.parametrize("steps", [5, 20])
def test_stable_diffusion_gets_the_timesteps_of_diffusers_karras_sigmas(steps: int):
    """SD's noise, 0.03 to 14.6, lies inside the limits, so nothing is cut."""
    theirs = DPMSolverMultistepScheduler(**STABLE_DIFFUSION, use_karras_sigmas=True)
    theirs.set_timesteps(steps)
    found = spaced_timesteps(products(**STABLE_DIFFUSION), steps)
    assert np.abs(np.array(found) - theirs.timesteps.numpy()).max() <= 1


def test_the_cosine_schedule_is_cut_at_80_and_at_a_fiftieth():
    alphas = products(**COSINE)
    noise = noise_at(alphas, spaced_timesteps(alphas, 20))
    assert noise[0] == pytest.approx(80, rel=0.1)  # whole timesteps only
    assert noise[-1] == pytest.approx(0.02, rel=0.15)
    roots = noise ** (1 / 7)
    np.testing.assert_allclose(np.diff(roots), np.diff(roots).mean(), rtol=0.25)


@pytest.mark.parametrize("schedule", [COSINE, STABLE_DIFFUSION, {**COSINE, "rescale_betas_zero_snr": True}])
@pytest.mark.parametrize("steps", [1, 2, 15, 50, 100, 400, 999, 1000])
def test_as_many_as_asked_for_all_different_and_falling(schedule: dict, steps: int):
    timesteps = spaced_timesteps(products(**schedule), steps)
    assert len(timesteps) == steps
    assert all(later < earlier for earlier, later in itertools.pairwise(timesteps))
    assert timesteps[-1] >= 0
    assert timesteps[0] <= 999
