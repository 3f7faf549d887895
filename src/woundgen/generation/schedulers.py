"""diffusers' schedulers as the samplers use them."""

from __future__ import annotations

from typing import TypeAlias

from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from woundgen.errors import UserError
from woundgen.generation.spacing import spaced_timesteps
from woundgen.models.base import BaseModel
from woundgen.records import SamplerName

Scheduler: TypeAlias = DPMSolverMultistepScheduler | DDIMScheduler | EulerDiscreteScheduler


def build_scheduler(base: BaseModel, sampler: SamplerName) -> Scheduler:
    """diffusers' scheduler on the noise schedule and prediction type that the base was trained with.

    StableDiffusionPipeline sets steps_offset and clip_sample so, whatever a base's file says.
    """
    config = {**base.scheduler.config, "steps_offset": 1, "clip_sample": False}
    if sampler == "dpmsolver++":
        return DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++")
    return {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[sampler].from_config(config)


def set_timesteps(scheduler: Scheduler, steps: int) -> None:
    """Space the timesteps by noise level; DDIM's step knows its own even spacing only."""
    if isinstance(scheduler, DDIMScheduler):
        scheduler.set_timesteps(steps)
    else:
        timesteps = spaced_timesteps(scheduler.alphas_cumprod.numpy(), steps)
        scheduler.set_timesteps(timesteps=timesteps)


def check_strength(strength: float, *, steps: int) -> int:
    """Return how many of `steps` are drawn at a strength, as diffusers counts; UserError where none is, or more."""
    if not 0 < strength <= 1 or (drawn := int(steps * strength)) < 1:  # a strength that is no number, too
        raise UserError(f"strength: {strength:g} of {steps} steps cannot be used.", f"Give {1 / steps:.3g} to 1.")
    return drawn
