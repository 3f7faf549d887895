"""A UNet's forward and backward pass as CUDA graphs: recorded once, then started with one call each.

At 128x128 a card computes a pass of Stable Diffusion in less time than Python takes to launch its thousands of kernels.
A graph launches them all at once, on the same memory each time: what a pass reads is copied there before, and
gradients are added where they always are. The numbers are those of the recorded kernels, to the bit.
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from woundgen.models.flat_parameters import FlatParameters

WARM_UPS = 3  # libraries choose their kernels in the first passes, which a recording cannot hold


class ReplayedUNet:
    """Stands in for `unet` in the training loop; `trainable` is what its backward pass adds gradients to.

    One pair of graphs is recorded for each shape of a micro-batch, when it is first met.
    """

    def __init__(self, unet: UNet2DConditionModel, trainable: FlatParameters) -> None:
        self.unet, self.trainable = unet, trainable
        self._recorded: dict[tuple[torch.Size, torch.Size, bool], Recording] = {}

    def train(self) -> None:
        self.unet.train()

    def __call__(self, noisy: Tensor, timesteps: Tensor, states: Tensor) -> UNet2DConditionOutput:
        """noisy [N, C, h, w], timesteps [N], states [N, 77, D] -> as the UNet answers, differentiable once."""
        key = (noisy.shape, states.shape, states.requires_grad)
        if key not in self._recorded:
            self._recorded[key] = record(self.unet, noisy, timesteps, states)
        return UNet2DConditionOutput(
            sample=_Replay.apply(self._recorded[key], self.trainable.values, noisy, timesteps, states)
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """Two graphs and the memory that they read and write."""

    forward: torch.cuda.CUDAGraph
    backward: torch.cuda.CUDAGraph
    noisy: Tensor
    timesteps: Tensor
    states: Tensor
    answer: Tensor
    gradient: Tensor  # of the answer


def record(unet: UNet2DConditionModel, noisy: Tensor, timesteps: Tensor, states: Tensor) -> Recording:
    """Record both passes for inputs of these shapes, from zeros. To the gradients that are there it adds zeros.

    A recording that does not read its inputs so differs from the plain pass at its first use (models/verified_unet.py).

    Every trained parameter has a gradient (FlatParameters), which stays where it is: else it would be overwritten at
    each replay, and not added to.
    """
    assert all(parameter.grad is not None for parameter in unet.parameters() if parameter.requires_grad)
    noisy, timesteps = torch.zeros_like(noisy), torch.zeros_like(timesteps)
    states = torch.zeros_like(states).requires_grad_(states.requires_grad)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            answer = unet(noisy, timesteps, states).sample
            with torch.autocast("cuda", enabled=False):
                answer.backward(torch.zeros_like(answer))
            states.grad = None
    del answer  # and with it the nodes of its graph, which belong to no recording
    torch.cuda.current_stream().wait_stream(stream)
    forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(forward, stream=stream):
        answer = unet(noisy, timesteps, states).sample
    gradient = torch.zeros_like(answer)
    # As the loop calls it without graphs: outside of autocast.
    with torch.cuda.graph(backward, pool=forward.pool(), stream=stream), torch.autocast("cuda", enabled=False):
        answer.backward(gradient)
    return Recording(forward, backward, noisy, timesteps, states, answer.detach(), gradient)


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, recording: Recording, trained: Tensor, noisy: Tensor, timesteps: Tensor, states: Tensor
    ) -> Tensor:
        """trained: so that autograd asks for a gradient; it is added by the backward graph and not returned."""
        for place, value in (
            (recording.noisy, noisy),
            (recording.timesteps, timesteps),
            (recording.states.detach(), states),
        ):
            place.copy_(value)
        recording.forward.replay()
        ctx.recording = recording
        return recording.answer.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        recording: Recording = ctx.recording
        recording.gradient.copy_(gradient)
        recording.backward.replay()
        states = recording.states.grad
        return None, None, None, None, None if states is None else states.clone()
