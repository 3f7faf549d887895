"""Fewer and smaller kernels in half precision, checked against the plain pass before a run uses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from woundgen.adapters.dropout import DropoutMasks
from woundgen.adapters.grouped_forward import GroupedLora
from woundgen.adapters.methods import Method
from woundgen.models.flat_parameters import FlatParameters
from woundgen.models.half_precision import HALVES, HalfNorms
from woundgen.models.verified_unet import TOLERANCES, FastUNet, compare_passes
from woundgen.training.memory import PassShape

IMAGES = 4
"""Of the pass that is compared."""
MOVED = 1e-2
"""Deviation of what is added to the trained values for it: B of an untrained adapter is 0, and A has no gradient."""


@dataclass(frozen=True, slots=True)
class LeanPass:
    """The adapter's products in groups, and norms in half precision; both or neither.

    adapter: None where no LoRA is trained.
    """

    adapter: GroupedLora | None
    norms: HalfNorms

    def enable(self, enabled: bool) -> None:
        """Use both from now on, or none."""
        self.norms.enabled = enabled
        if self.adapter is not None:
            self.adapter.enabled = enabled

    @contextmanager
    def assumed(self) -> Iterator[None]:
        """Use both while inside, as a GPU does."""
        before = self.norms.enabled
        self.enable(True)
        try:
            yield
        finally:
            self.enable(before)


def build_lean_pass(
    unet: UNet2DConditionModel, method: Method, trainable: FlatParameters, masks: DropoutMasks | None, precision: str
) -> LeanPass | None:
    """Prepare the UNet of a run for a lean pass, not enabled; None in single precision."""
    if precision not in HALVES:
        return None
    adapter = GroupedLora(unet, trainable, masks) if method.name == "lora" else None
    return LeanPass(adapter, HalfNorms(unet, HALVES[precision]))


@torch.no_grad()
def enable_where_equal(
    lean: LeanPass, unet: UNet2DConditionModel, trainable: FlatParameters, shape: PassShape, precision: str
) -> list[str]:
    """Enable the lean pass where output and gradients are the plain pass's within its bound; else return a warning.

    On numbers that are the same at each start, so that a run that goes on decides as it did. Values, gradients and mode
    are left as they were.
    """
    device, source = trainable.values.device, torch.Generator().manual_seed(0)
    noisy = torch.randn(IMAGES, shape.channels, shape.side, shape.side, generator=source).to(device)
    embeds = torch.randn(IMAGES, shape.tokens, shape.width, generator=source).to(device)
    timesteps = torch.arange(IMAGES, device=device) * 250
    before, training = trainable.values.detach().clone(), unet.training
    moved = MOVED * torch.randn(before.shape, generator=source).to(device)
    unet.train()

    def run(enabled: bool) -> FastUNet:
        def run_pass(noisy: Tensor, timesteps: Tensor, embeds: Tensor) -> UNet2DConditionOutput:
            lean.enable(enabled)
            return unet(noisy, timesteps, embeds)

        return run_pass

    try:
        if lean.adapter is not None:
            trainable.load(before + moved)
        with torch.enable_grad():
            embeds.requires_grad_(shape.prompt_gradient)
            difference = compare_passes(run(False), run(True), trainable, noisy, timesteps, embeds)
    finally:
        trainable.load(before)
        unet.train(training)
    bound = TOLERANCES[HALVES[precision]]
    lean.enable(difference.largest <= bound)
    if difference.largest <= bound:
        return []
    return [
        f"norms in half precision and grouped products differ from the plain pass by {difference.largest:.2g} "
        f"(output {difference.output:.2g}, gradient {difference.gradient:.2g}; at most {bound:g} is rounding): "
        "training goes on without them, slower"
    ]
