"""The training of the embedded base's denoiser, UNet and text encoder together, one step at a time.

A step is a function of (seed, step): what it draws comes from a generator that is set anew for each step, on the device
of the networks. On a GPU forward pass, backward pass and update are one CUDA graph, recorded at the first step, since
Python takes longer to launch their kernels than the card to run them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from woundgen.diffusion.objective import add_noise, training_target
from woundgen.diffusion.randomness import position_seed
from woundgen.models.cuda_graphs import WARM_UPS
from woundgen.models.flat_parameters import FlatParameters, flatten

PROMPT_DROPOUT = 0.1
AVERAGE = 0.9995  # of the exponential moving average that ships
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class CaptionedLatents:
    """Latents of phantoms and their captions, on the device of the networks.

    mean, deviation: [N, C, h, w] of the encoder's posterior. tokens: int64 [N, 77]. empty: int64 [77], of no caption.
    alphas_cumprod: fp32 [T] of the noise schedule.
    """

    mean: Tensor
    deviation: Tensor
    tokens: Tensor
    empty: Tensor
    alphas_cumprod: Tensor


@dataclass(frozen=True, slots=True)
class DenoiserBatch:
    """noisy, target: fp32 [B, C, h, w]; the target is the velocity. timesteps: int64 [B]. tokens: int64 [B, 77]."""

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    tokens: Tensor

    def copy_from(self, other: DenoiserBatch) -> None:
        """Overwrite all tensors in place."""
        for name in DenoiserBatch.__dataclass_fields__:
            getattr(self, name).copy_(getattr(other, name))


@dataclass(slots=True)
class DenoiserTraining:
    """Networks with their parameters as one vector, its moving average, AdamW, and the recorded step on a GPU."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    trainable: FlatParameters
    average: Tensor
    optimizer: torch.optim.Optimizer
    recorded: Callable[[DenoiserBatch], Tensor] | None = None

    def tensors(self) -> nn.Module:
        """Return values and average as a module, in which a checkpoint can keep them; it shares their memory."""
        module = nn.Module()
        module.register_parameter("values", self.trainable.values)
        module.register_buffer("average", self.average)
        return module


def begin_denoiser_training(unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> DenoiserTraining:
    """Set up what the steps change, from the networks as they are, on their device."""
    unet.train()
    text_encoder.train()
    named = {f"unet.{name}": p for name, p in unet.named_parameters()}
    trainable = flatten(named | {f"text_encoder.{name}": p for name, p in text_encoder.named_parameters()})
    on_a_gpu = trainable.values.is_cuda
    # A recorded update reads its learning rate from memory.
    rate = torch.zeros((), device=trainable.values.device) if on_a_gpu else 0.0
    optimizer = torch.optim.AdamW(
        [trainable.values], lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True, capturable=on_a_gpu
    )
    return DenoiserTraining(unet, text_encoder, trainable, trainable.values.detach().clone(), optimizer)


def draw_batch(data: CaptionedLatents, *, batch: int, seed: int, step: int) -> DenoiserBatch:
    """Draw `batch` captioned latents with noise: a function of (seed, step) and of the kind of device.

    Timesteps have one shared offset and even strides: each is uniform, and a batch covers them all (Kingma et al. 2021,
    Variational Diffusion Models, appendix I.1). A tenth of the captions is left out.
    """
    device = data.mean.device
    random = torch.Generator(device).manual_seed(position_seed(seed, "denoiser", step))
    rows = torch.randint(len(data.mean), (batch,), generator=random, device=device)
    shape = (batch, *data.mean.shape[1:])
    noises = torch.randn(2, *shape, generator=random, device=device)
    clean = data.mean[rows].float() + data.deviation[rows].float() * noises[0]
    offset = torch.rand((), generator=random, device=device)
    fractions = (offset + torch.arange(batch, device=device) / batch) % 1
    timesteps = (fractions * len(data.alphas_cumprod)).long().clamp_(max=len(data.alphas_cumprod) - 1)
    dropped = torch.rand(batch, generator=random, device=device) < PROMPT_DROPOUT
    return DenoiserBatch(
        noisy=add_noise(clean, noises[1], timesteps, data.alphas_cumprod),
        target=training_target(clean, noises[1], timesteps, data.alphas_cumprod, "v_prediction"),
        timesteps=timesteps,
        tokens=torch.where(dropped[:, None], data.empty, data.tokens[rows]),
    )


def train_denoiser_step(
    training: DenoiserTraining, data: CaptionedLatents, *, batch: int, seed: int, step: int
) -> dict[str, Tensor]:
    """Update UNet and text encoder once; returns the loss to log, a scalar on the device."""
    drawn = draw_batch(data, batch=batch, seed=seed, step=step)
    if not drawn.noisy.is_cuda:
        return {"loss": _update(training, drawn)}
    if training.recorded is None:
        training.recorded = _record_update(training, drawn)
    return {"loss": training.recorded(drawn)}


def _update(training: DenoiserTraining, batch: DenoiserBatch) -> Tensor:
    """Forward pass, backward pass, AdamW and the moving average; nothing in it waits for the device."""
    values = training.trainable.values
    training.trainable.gradient.zero_()
    # Without its cache of cast weights: a recording would go on with those of its first replay.
    with torch.autocast(values.device.type, torch.bfloat16, enabled=values.is_cuda, cache_enabled=False):
        states = training.text_encoder(batch.tokens)[0]
        output = training.unet(batch.noisy, batch.timesteps, states).sample
    loss = torch.nn.functional.mse_loss(output.float(), batch.target)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([values], LARGEST_GRADIENT)
    training.optimizer.step()
    training.average.lerp_(values.detach(), 1 - AVERAGE)
    return loss.detach()


def _record_update(training: DenoiserTraining, batch: DenoiserBatch) -> Callable[[DenoiserBatch], Tensor]:
    """Record `_update` as a CUDA graph; values, average and optimizer are afterwards what they were before.

    https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
    """
    inputs = DenoiserBatch(**{name: getattr(batch, name).clone() for name in DenoiserBatch.__dataclass_fields__})
    values, average, moments = training.trainable.values, training.average, training.optimizer.state
    before = [tensor.detach().clone() for tensor in (values, average)]
    moments_before = {name: tensor.clone() for name, tensor in moments[values].items()}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            _update(training, inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = _update(training, inputs)
    with torch.no_grad():
        for tensor, value in zip((values, average), before, strict=True):
            tensor.copy_(value)
        for name, tensor in moments[values].items():  # before the first step there are none, which is zero
            tensor.copy_(moments_before.get(name, torch.zeros_like(tensor)))

    def replay(drawn: DenoiserBatch) -> Tensor:
        inputs.copy_from(drawn)
        graph.replay()
        return loss

    return replay
