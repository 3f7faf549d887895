"""The prediction that a sampler steps by: the UNet's, led away from a negative prompt or from a worse model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.models.recorded_function import Recorder, VerifiedFunction

Predict: TypeAlias = Callable[[Tensor, Tensor, bool], Tensor]
"""(latents [N, C, h, w], timestep [], guided?) -> prediction [N, C, h, w]."""

UNetPass: TypeAlias = Callable[[UNet2DConditionModel, Tensor, Tensor, Tensor], Tensor]
"""(network, latents [N, C, h, w], timestep [], prompt embeddings [N, 77, D]) -> prediction [N, C, h, w]."""


def plain_pass(network: UNet2DConditionModel, latents: Tensor, t: Tensor, prompt_embeds: Tensor) -> Tensor:
    """Run the network once, each kernel launched from Python."""
    prediction = network(latents, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
    return prediction.to(latents.dtype)  # in half precision under autocast (models/half_precision.py); latents are not


class RecordedPasses:
    """Runs networks as recordings for each network and shape, that is of a guided and an unguided pass of a block.

    Each is checked against the plain pass at its first call. faults: gets a line a network where they differ.
    """

    def __init__(self, record: Recorder, *, faults: list[str]) -> None:
        self.record, self.faults = record, faults
        self._by_network: dict[int, VerifiedFunction] = {}

    def __call__(self, network: UNet2DConditionModel, latents: Tensor, t: Tensor, prompt_embeds: Tensor) -> Tensor:
        if id(network) not in self._by_network:
            self._by_network[id(network)] = VerifiedFunction(
                partial(plain_pass, network), record=self.record, name="UNet", faults=self.faults
            )
        return self._by_network[id(network)](latents, t, prompt_embeds)


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
