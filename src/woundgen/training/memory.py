"""Foresee the memory of a training step: what is held all the time, and what a pass takes on top, before any is run.

The pass runs on fake tensors (shapes and no numbers), whose storages are placed in blocks as torch's CUDA allocator
would place them (cuda_blocks.py). What the CUDA context and cuDNN's workspaces take besides is not foreseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from woundgen.adapters.dropout import DropoutMasks
from woundgen.models.flat_parameters import FlatParameters
from woundgen.training.loss_pass import run_loss_pass
from woundgen.training.peak_counter import PeakCounter

FP32, TOKENS = 4, 77
MOMENT_BYTES: Mapping[str, int] = {"adamw": 8, "adamw-8bit": 2, "prodigy": 16}
"""Of the optimizer, for each trained parameter; the 8-bit one adds a scale for each block of 256. Prodigy holds the
values that it began with, and a sum of gradients, besides its two moments."""


WORKSPACES = 2 * 32 << 20
"""Of cuBLAS on the two streams of a step, since recordings are made on another: 32 MiB each on an H100, 8 MiB
on most cards (ATen/cuda/CublasHandlePool.cpp). They are never freed."""


@dataclass(frozen=True, slots=True)
class PassShape:
    """Shape of a micro-batch. side: of the latents. tokens, width: of the prompt embeddings.

    prompt_gradient: whether the embeddings ask for a gradient, as where a text encoder or a word is trained.
    """

    images: int
    channels: int
    side: int
    tokens: int
    width: int
    prompt_gradient: bool = False


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes of each part at the peak of a training step.

    weights: of the UNet and of whatever else stays on the device. activations: of a micro-batch, with what its
    backward pass takes for a moment. As a CUDA graph they stay reserved between the steps. workspaces: of cuBLAS.
    """

    weights: int
    gradients: int
    optimizer: int
    averages: int
    activations: int
    workspaces: int = 0

    @property
    def held(self) -> int:
        """Return what does not depend on the micro-batch."""
        return self.total - self.activations

    @property
    def total(self) -> int:
        """Return the sum of all parts."""
        return sum(getattr(self, field.name) for field in fields(self))


def foresee_step(
    unet: UNet2DConditionModel,
    trainable: FlatParameters,
    shape: PassShape,
    *,
    modules: tuple[nn.Module, ...],
    optimizer: str,
    averages: int,
    dropout: DropoutMasks | None,
    half_norms: bool = False,
) -> StepMemory:
    """Foresee a step of a UNet that is ready to be trained. modules: all that stay on the device, the UNet included.

    averages: copies of the trained parameters, such as EMA. half_norms: whether the UNet's norms run in half precision,
    and not as autocast runs them. Leaves everything as it was.
    """
    parameters = trainable.values.numel()
    return StepMemory(
        weights=held_bytes(modules),
        gradients=FP32 * parameters,
        optimizer=MOMENT_BYTES[optimizer] * parameters,
        averages=FP32 * averages * parameters,
        activations=count_activations(unet, shape, dropout=dropout, half_norms=half_norms),
        workspaces=WORKSPACES,
    )


def held_bytes(modules: tuple[nn.Module, ...]) -> int:
    """Return the bytes of all parameters and buffers, each storage once; those on the meta device hold none."""
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    storages = {storage._cdata: storage.nbytes() for t in tensors if not t.is_meta for storage in [t.untyped_storage()]}
    return sum(storages.values())


@contextmanager
def single_precision_norms(unet: nn.Module) -> Iterator[None]:
    """Compute group and layer norms in fp32 while inside, as autocast does on a GPU and does not on a CPU.

    Their inputs and outputs are much of what a backward pass needs.
    """
    norms = [layer for layer in unet.modules() if isinstance(layer, nn.GroupNorm | nn.LayerNorm)]
    handles = [layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0].float(),)) for layer in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def count_activations(
    unet: UNet2DConditionModel, shape: PassShape, *, dropout: DropoutMasks | None, half_norms: bool = False
) -> int:
    """Return the peak bytes of a micro-batch's forward pass, loss and backward pass, above weights and gradients."""
    counter = PeakCounter()
    run_fake_pass(unet, shape, counter, dropout=dropout, half_norms=half_norms)
    return counter.memory.peak


def run_fake_pass(
    unet: UNet2DConditionModel,
    shape: PassShape,
    observer: TorchDispatchMode,
    *,
    dropout: DropoutMasks | None,
    half_norms: bool,
) -> None:
    """Run a micro-batch on fake tensors below `observer`, which sees each operation; leave everything as it was."""
    device, training = unet.conv_in.weight.device, unet.training
    if dropout is not None:  # outside of the fake mode: the masks keep what they are given
        dropout.begin(torch.zeros(shape.images, dtype=torch.int64, device=device))
    unet.train()
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    tensors = {**dict(unet.named_parameters()), **dict(unet.named_buffers())}
    fakes = {name: _fake(mode, tensor) for name, tensor in tensors.items()}
    try:
        with mode, nullcontext() if half_norms else single_precision_norms(unet), observer:
            inputs = list(_fake_inputs(shape, device))
            run_loss_pass(lambda *values: functional_call(unet, fakes, values), *inputs)
    finally:
        unet.train(training)
        if dropout is not None:
            dropout.begin(None)


def _fake(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape without numbers, with a gradient that a backward pass adds to."""
    fake = mode.from_tensor(tensor.detach()).requires_grad_(tensor.requires_grad)
    if tensor.requires_grad:
        fake.grad = mode.from_tensor(tensor.detach())
    return fake


def _fake_inputs(shape: PassShape, device: torch.device) -> Iterator[Tensor]:
    """Yield LossInputs' tensors, made inside a fake mode."""
    latents = (shape.images, shape.channels, shape.side, shape.side)
    yield torch.empty(latents, device=device)
    yield torch.empty(shape.images, dtype=torch.int64, device=device)
    yield torch.empty(shape.images, shape.tokens, shape.width, device=device).requires_grad_(shape.prompt_gradient)
    yield torch.empty(latents, device=device)
    yield torch.empty(shape.images, device=device)
    yield torch.empty(shape.images, shape.side, shape.side, device=device)
    yield torch.empty((), device=device)
    yield torch.empty((), device=device)


def largest_micro_batch(memory: StepMemory, *, images: int, limit: int) -> int:
    """Return how many images fit in `limit` bytes at once, 0 where not even what is held does.

    images: of the micro-batch that `memory` was foreseen for. Activations grow with the images: a step in proportion
    takes what is between two of them for the larger.
    """
    room = limit - memory.held
    return max(0, math.floor(room / (memory.activations / images))) if room > 0 else 0
