"""A pass of a UNet where nothing is learned: kernel by kernel, or as recordings that are checked first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.models.recorded_function import Recorder, VerifiedFunction
from woundgen.models.verified_unet import TOLERANCES

UNetPass: TypeAlias = Callable[[UNet2DConditionModel, Tensor, Tensor, Tensor], Tensor]
"""(network, latents [N, C, h, w], timestep [] or [N], prompt embeddings [N, 77, D]) -> prediction [N, C, h, w]."""


def plain_pass(network: UNet2DConditionModel, latents: Tensor, t: Tensor, prompt_embeds: Tensor) -> Tensor:
    """Run the network once, each kernel launched from Python."""
    prediction = network(latents, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
    return prediction.to(latents.dtype)  # in half precision under autocast (models/half_precision.py); latents are not


class RecordedPasses:
    """Runs networks as recordings for each network and shape, that is of a guided and an unguided pass of a block.

    Each is checked against the plain pass at its first call. faults: gets a line a network where they differ.
    tolerances: of VerifiedFunction. Recordings stay for as long as this object, each for a shape: to draw again and
    again, use the same object.
    """

    def __init__(
        self, record: Recorder, *, faults: list[str], tolerances: Mapping[torch.dtype, float] = TOLERANCES
    ) -> None:
        self.record, self.faults, self.tolerances = record, faults, tolerances
        self._by_network: dict[int, VerifiedFunction] = {}

    def __call__(self, network: UNet2DConditionModel, latents: Tensor, t: Tensor, prompt_embeds: Tensor) -> Tensor:
        if id(network) not in self._by_network:
            self._by_network[id(network)] = VerifiedFunction(
                partial(plain_pass, network), record=self.record, name="UNet", faults=self.faults,
                tolerances=self.tolerances,
            )  # fmt: skip
        return self._by_network[id(network)](latents, t, prompt_embeds)
