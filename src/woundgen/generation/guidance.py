"""The prediction that a sampler steps by: the UNet's, led away from a negative prompt or from a worse model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.models.unet_pass import UNetPass

Predict: TypeAlias = Callable[[Tensor, Tensor, bool], Tensor]
"""(latents [N, C, h, w], timestep [], guided?) -> prediction [N, C, h, w]."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """Prompt embeddings [N, 77, D] and the scale, 1 for none (Ho & Salimans 2022, as diffusers counts it).

    negative: none is needed at scale 1, nor with a guide. guide: a worse version of the model, asked with the same
    prompt, in place of the negative prompt (autoguidance, Karras et al. 2024).
    """

    prompts: Tensor
    negative: Tensor | None
    guide: UNet2DConditionModel | None
    scale: float


def build_predictor(unet: UNet2DConditionModel, guidance: Guidance, unet_pass: UNetPass) -> Predict:
    """Return what the scheduler steps by."""
    prompts, negative, guide = guidance.prompts, guidance.negative, guidance.guide
    pair = None if negative is None else torch.cat([negative, prompts])

    def predict(latents: Tensor, t: Tensor, guided: bool) -> Tensor:
        if not guided:
            return unet_pass(unet, latents, t, prompts)
        if guide is not None:
            without, conditional = unet_pass(guide, latents, t, prompts), unet_pass(unet, latents, t, prompts)
        else:
            assert pair is not None, "guidance needs the states of a negative prompt, be it empty"
            without, conditional = unet_pass(unet, torch.cat([latents] * 2), t, pair).chunk(2)
        return without + guidance.scale * (conditional - without)

    return predict
