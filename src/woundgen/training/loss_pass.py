"""A micro-batch as a recorded function: the UNet forward, the loss, and its gradient back to the trained parameters.

Where the UNet alone is recorded (models/cuda_graphs.py) the loss between its two graphs is launched kernel by kernel.
That is needed where auxiliary terms look at the output, or a text encoder is trained; else all is a single graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from woundgen.diffusion.objective import weighted_error
from woundgen.models.flat_parameters import FlatParameters
from woundgen.models.recorded_function import Function, Recorder, relative_difference
from woundgen.models.verified_unet import TOLERANCES, compute_dtype


@dataclass(frozen=True, slots=True)
class LossInputs:
    """Inputs of a micro-batch, all where the UNet is.

    noisy, target: fp32 [N, C, h, w]. timesteps: int64 [N]. prompt_embeds: [N, 77, D], which asks for no gradient.
    weights: [N]. region: [N, h, w], how places count. images: of the global batch, []. scale: of the gradient, [].
    """

    noisy: Tensor
    timesteps: Tensor
    prompt_embeds: Tensor
    target: Tensor
    weights: Tensor
    region: Tensor
    images: Tensor
    scale: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the fields in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def run_loss_pass(unet: UNet2DConditionModel, *tensors: Tensor) -> Tensor:
    """Return the loss [] of LossInputs.tensors(), and add `scale` times its gradient to that of the parameters."""
    inputs = LossInputs(*tensors)
    output = unet(inputs.noisy, inputs.timesteps, inputs.prompt_embeds).sample
    with torch.autocast(output.device.type, enabled=False):  # as the loop takes the loss of other passes
        leaf = output.detach().float().requires_grad_()
        loss = weighted_error(leaf, inputs.target, inputs.weights, inputs.region).sum() / inputs.images
        (gradient,) = torch.autograd.grad(loss, leaf)
        output.backward((inputs.scale * gradient).to(output.dtype))
    return loss.detach()


class VerifiedLossPass:
    """Computes micro-batches by a recording for each shape, checked against the plain pass at its first use.

    faults: gets a line, with the difference or the error, where the two do not agree; every later pass is then plain.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        trainable: FlatParameters,
        *,
        record: Recorder,
        faults: list[str],
    ) -> None:
        self.plain: Function = partial(run_loss_pass, unet)
        self.trainable, self.record, self.faults = trainable, record, faults
        self.trusted = True
        self._recordings: dict[tuple[torch.Size, ...], Function] = {}

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the loss [] of a micro-batch, whose gradient is added to that of the parameters."""
        tensors = inputs.tensors()
        key = tuple(value.shape for value in tensors)
        if self.trusted and key not in self._recordings:
            self._verify(key, inputs)
        return (self._recordings[key] if self.trusted else self.plain)(*tensors)

    def _verify(self, key: tuple[torch.Size, ...], inputs: LossInputs) -> None:
        """Run plainly, record from zeros, and compare on `inputs`; gradients are left as they were.

        The plain pass is over before a recording reserves its memory, so that a step never holds both.
        """
        gradient = self.trainable.gradient
        before = gradient.clone() if bool(gradient.any()) else None
        gradient.zero_()
        try:
            expected = self.plain(*inputs.tensors())
            norm = gradient.norm().item()
            zeros = LossInputs(*(torch.zeros_like(value) for value in inputs.tensors()))
            nothing = replace(zeros, images=torch.ones_like(inputs.images))  # at scale 0 nothing is added
            recording = self.record(self.plain, nothing.tensors())
            problem = self._compare(recording, inputs, expected, norm)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # of torch, where a kernel cannot be recorded
            problem = f"could not be recorded ({str(error).splitlines()[0] if str(error) else 'no message'})"
        finally:
            gradient.zero_() if before is None else gradient.copy_(before)
        if problem is None:
            self._recordings[key] = recording
            return
        self.trusted = False
        self._recordings.clear()
        self.faults.append(f"the recorded step {problem}: training goes on without CUDA graphs, slower")

    def _compare(self, recording: Function, inputs: LossInputs, expected: Tensor, norm: float) -> str | None:
        """Return in words how far the recording is off the expected loss and gradient; None where it is rounding.

        norm: of the gradient that the plain pass has added. The recording takes it away again, so that what is left is
        the difference and no second copy of the gradient is held.
        """
        backwards = replace(inputs, scale=-inputs.scale)
        loss = relative_difference(recording(*backwards.tensors()), expected)
        left = self.trainable.gradient.norm().item()
        parted = left / norm if norm > 0 else (0.0 if left == 0 else float("inf"))
        parted = parted if parted == parted else float("inf")
        bound = TOLERANCES[compute_dtype(inputs.noisy)]
        if max(loss, parted) <= bound:
            return None
        return (
            f"differs from the plain pass by {max(loss, parted):.2g} (loss {loss:.2g}, gradient {parted:.2g}; at most "
            f"{bound:g} is rounding)"
        )
