"""From rows of the photographs' latents to a micro-batch that the UNet sees: posterior sample, noise, target.

There are two streams of normal numbers, and a run keeps the stream that it was begun with (LoopState.noise_stream):
1  torch's CPU generator, a new generator a sample; everything up to the noisy latents is computed on the CPU and moved
2  Philox (diffusion/philox.py), made where the UNet is, as a CUDA graph on a GPU
Both are functions of (seed, step, slot in the global batch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from woundgen.diffusion.objective import PredictionType, add_noise, training_target
from woundgen.diffusion.philox import philox_normal
from woundgen.diffusion.randomness import normal
from woundgen.models.recorded_function import Recorder, VerifiedFunction
from woundgen.training.latents import Latents

HOST_STREAM, DEVICE_STREAM = 1, 2
SAME: Mapping[torch.dtype, float] = {torch.float32: 1e-6}
"""How much a recording may differ, relatively: it runs the same kernels."""


@dataclass(frozen=True, slots=True)
class NoisedBatch:
    """clean, noisy, target: fp32 [N, C, h, w]; the last two where the UNet is."""

    clean: Tensor
    noisy: Tensor
    target: Tensor


Noising: TypeAlias = Callable[[Sequence[int], int, Sequence[int], Tensor], NoisedBatch]
"""(rows of the latents, step, slots of the global batch, timesteps int64 [N] on the CPU) -> what the UNet is given."""


@dataclass(frozen=True, slots=True)
class NoiseSettings:
    """All that decides a batch besides its position.

    alphas_cumprod: fp32 [T] on the CPU. offset: weight of the noise that all places of a channel share (0: none).
    device: where the UNet is.
    """

    seed: int
    offset: float
    alphas_cumprod: Tensor
    prediction: PredictionType
    device: torch.device


def choose_noise_stream(device: torch.device) -> int:
    """Return the stream of a new run: on a GPU numbers that it makes there, on a CPU those that older runs have."""
    return DEVICE_STREAM if device.type == "cuda" else HOST_STREAM


def build_noising(latents: Latents, settings: NoiseSettings, *, stream: int, recorder: RecordedNoise | None) -> Noising:
    """Return the function that makes micro-batches. recorder: of stream 2, where it runs as a CUDA graph."""
    if stream == HOST_STREAM:
        return _host_noising(latents, settings)
    assert stream == DEVICE_STREAM, stream
    return _device_noising(latents, settings, recorder)


@dataclass(frozen=True, slots=True)
class RecordedNoise:
    """How stream 2 is recorded. faults: gets a line where the recording differs from the plain function."""

    record: Recorder
    faults: list[str]


def _host_noising(latents: Latents, settings: NoiseSettings) -> Noising:
    seed, alphas, device = settings.seed, settings.alphas_cumprod, settings.device

    def noise_batch(rows: Sequence[int], step: int, slots: Sequence[int], timesteps: Tensor) -> NoisedBatch:
        clean = latents.sample(rows, seed=seed, step=step, slots=slots)
        noise = normal(clean.shape[1:], seed, "noise", step, slots)
        if settings.offset > 0:
            noise += settings.offset * normal((clean.shape[1], 1, 1), seed, "noise offset", step, slots)
        noisy = add_noise(clean, noise, timesteps, alphas).to(device)
        return NoisedBatch(
            clean, noisy, training_target(clean, noise, timesteps, alphas, settings.prediction).to(device)
        )

    return noise_batch


def _device_noising(latents: Latents, settings: NoiseSettings, recorder: RecordedNoise | None) -> Noising:
    alphas, device = settings.alphas_cumprod.to(settings.device), settings.device

    def compute(moments: Tensor, numbers: Tensor) -> Tensor:
        """moments: mean and deviation, fp32 [2, N, C, h, w]. numbers: timesteps, slots, step, int64 [3, N]."""
        timesteps, slots, step = numbers
        shape = moments.shape[2:]

        def draw(stream: str, *sizes: int) -> Tensor:
            return philox_normal(sizes, seed=settings.seed, stream=stream, step=step, slots=slots)

        clean = (moments[0] + moments[1] * draw("posterior", *shape)) * latents.scale
        noise = draw("noise", *shape)
        if settings.offset > 0:
            noise = noise + settings.offset * draw("noise offset", shape[0], 1, 1)
        noisy = add_noise(clean, noise, timesteps, alphas)
        return torch.stack([clean, noisy, training_target(clean, noise, timesteps, alphas, settings.prediction)])

    function: Callable[..., Tensor] = compute
    if recorder is not None:
        function = VerifiedFunction(
            compute, record=recorder.record, name="noise", faults=recorder.faults, tolerances=SAME
        )

    def noise_batch(rows: Sequence[int], step: int, slots: Sequence[int], timesteps: Tensor) -> NoisedBatch:
        moments = latents.moments(rows, seed=settings.seed, step=step, slots=slots)
        numbers = torch.stack([timesteps, torch.tensor(list(slots)), torch.full_like(timesteps, step)])
        return NoisedBatch(*function(moments.to(device), numbers.to(device)))

    return noise_batch
