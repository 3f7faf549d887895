"""A fast way to run the UNet (CUDA graphs, torch.compile) that is checked against the plain one before it is used.

What a recording or a compiler makes of a network can be wrong without a word, on a card or with a version that nobody
here has tried; and a compiler may be absent or broken. So the first micro-batch of each shape runs both ways, outputs
and gradients are compared, and where they differ by more than rounding the run goes on with the plain UNet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from woundgen.models.flat_parameters import FlatParameters

FastUNet = Callable[[Tensor, Tensor, Tensor], UNet2DConditionOutput]
"""(noisy [N, C, h, w], timesteps [N], prompt embeddings [N, 77, D]) -> .sample, differentiable once."""

TOLERANCES: Mapping[torch.dtype, float] = {torch.float32: 2e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest relative difference (L2 norm) by precision. Another kernel rounds and adds in another order:
TF32 and fp16 hold 11 significant bits, bf16 holds 8, and some hundred layers add to one another."""


@dataclass(frozen=True, slots=True)
class PassDifference:
    """Relative L2 differences of outputs, of trained parameters' gradients, and of the prompt embeddings' (0: none)."""

    output: float
    gradient: float
    prompt_gradient: float

    @property
    def largest(self) -> float:
        """The largest of the three; infinite where one is not a number."""
        values = (self.output, self.gradient, self.prompt_gradient)
        return max(value if value == value else float("inf") for value in values)


class VerifiedUNet:
    """Stands in for `eager` in the training loop, and runs `fast` for the shapes at which both agree.

    faults: gets a line with the difference when they do not; every later pass is then eager. build_errors: exceptions
    that `fast` raises where it cannot be built; a line, and eager, too.
    """

    def __init__(
        self,
        eager: UNet2DConditionModel,
        fast: FastUNet,
        trainable: FlatParameters,
        *,
        faults: list[str],
        build_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self.eager, self.fast, self.trainable, self.faults = eager, fast, trainable, faults
        self.build_errors = build_errors
        self.trusted = True
        self._verified: set[tuple[torch.Size, torch.Size, bool]] = set()

    def train(self) -> None:
        self.eager.train()

    def __call__(self, noisy: Tensor, timesteps: Tensor, prompt_embeds: Tensor) -> UNet2DConditionOutput:
        """noisy [N, C, h, w], timesteps [N], prompt_embeds [N, 77, D] -> what the UNet returns."""
        key = (noisy.shape, prompt_embeds.shape, prompt_embeds.requires_grad)
        if self.trusted and key not in self._verified:
            fault = self._find_fault(noisy, timesteps, prompt_embeds)
            self._verified.add(key)
            if fault is not None:
                self.trusted = False
                self.faults.append(f"{fault}: training goes on without CUDA graphs and without compile")
        unet = self.fast if self.trusted else self.eager
        return unet(noisy, timesteps, prompt_embeds)

    def _find_fault(self, noisy: Tensor, timesteps: Tensor, prompt_embeds: Tensor) -> str | None:
        """Say why `fast` cannot stand in for `eager` on this micro-batch; None where it can."""
        try:
            difference = compare_passes(self.eager, self.fast, self.trainable, noisy, timesteps, prompt_embeds)
        except self.build_errors as error:
            first_line = str(error).strip().partition("\n")[0]  # "" of an error without words
            return f"the accelerated UNet could not be built ({first_line or type(error).__name__})"
        bound = TOLERANCES[compute_dtype(noisy)]
        if difference.largest <= bound:
            return None
        return (
            f"the accelerated UNet differs from the plain one by {difference.largest:.2g} (output "
            f"{difference.output:.2g}, gradient {difference.gradient:.2g}; at most {bound:g} is rounding)"
        )


def compute_dtype(noisy: Tensor) -> torch.dtype:
    """The precision that decides rounding: autocast's where it is on, else that of the inputs."""
    kind = noisy.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else noisy.dtype


def compare_passes(
    eager: UNet2DConditionModel,
    fast: FastUNet,
    trainable: FlatParameters,
    noisy: Tensor,
    timesteps: Tensor,
    prompt_embeds: Tensor,
) -> PassDifference:
    """Run both ways forward and backward on one micro-batch; gradients are left as they were found, on an error, too.

    Both backward passes start from the eager output itself. The fast one starts from its negative and adds to the eager
    gradient, so that what is left over is the difference and no second copy of the gradient is held.
    """
    kept = trainable.gradient.clone() if bool(trainable.gradient.any()) else None
    try:
        trainable.gradient.zero_()
        expected, expected_prompt = _run_pass(eager, noisy, timesteps, prompt_embeds, sign=1.0, start=None)
        norm = trainable.gradient.norm()
        actual, actual_prompt = _run_pass(fast, noisy, timesteps, prompt_embeds, sign=-1.0, start=expected)
        gradient = _ratio(trainable.gradient.norm(), norm)
    finally:
        trainable.gradient.zero_() if kept is None else trainable.gradient.copy_(kept)
    prompt = 0.0
    if expected_prompt is not None:
        left = expected_prompt if actual_prompt is None else expected_prompt + actual_prompt
        prompt = _ratio(left.norm(), expected_prompt.norm())
    return PassDifference(_ratio((actual - expected).norm(), expected.norm()), gradient, prompt)


def _run_pass(
    unet: FastUNet | UNet2DConditionModel,
    noisy: Tensor,
    timesteps: Tensor,
    prompt_embeds: Tensor,
    *,
    sign: float,
    start: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Output (fp32, detached) and the gradient of the prompt embeddings, None where they have none."""
    prompts = prompt_embeds.detach().clone().requires_grad_(prompt_embeds.requires_grad)
    output = unet(noisy, timesteps, prompts).sample
    cotangent = output.detach() if start is None else start.to(output.dtype)
    with torch.autocast(noisy.device.type, enabled=False):
        output.backward(sign * cotangent)
    return output.detach().float(), prompts.grad


def _ratio(difference: Tensor, norm: Tensor) -> float:
    """difference / norm; 0 where both are 0."""
    return 0.0 if difference.item() == 0 else (difference / norm).item()
