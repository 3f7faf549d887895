"""Images from noise: the pictures of diffusers' StableDiffusionPipeline, drawn in fixed blocks of indices.

DPM-Solver++ and Euler visit the timesteps of `spaced_timesteps`; the pipeline takes them as `timesteps=`.

Image i starts from the noise of position (seed, "image", i), and none of these samplers adds noise later, so
an image depends on (seed, i) alone. Kernels round differently at another batch size: draw whole blocks
(`block_of`), whatever became of the images before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from woundgen.diffusion.randomness import normal, position_seed
from woundgen.errors import UserError
from woundgen.generation.decode import decode_latents
from woundgen.generation.guidance import Guidance, Predict, build_predictor
from woundgen.generation.schedulers import Scheduler, build_scheduler, check_strength, set_timesteps
from woundgen.generation.spacing import spaced_timesteps
from woundgen.models.base import BaseModel
from woundgen.models.unet_pass import UNetPass, plain_pass
from woundgen.records import SamplerName

STREAM = "image"


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How images are drawn.

    guidance_scale: 1 is none (Ho & Salimans 2022, as diffusers counts it).
    guidance_interval: (low, high); guidance acts where low <= t / (T - 1) <= high on the training timesteps
    t = 0 (clean) ... T - 1 (noise), after Kynkaanniemi et al. 2024.
    block: images drawn together; part of what decides the rounding. height, width: pixels.
    """

    sampler: SamplerName
    steps: int
    guidance_scale: float
    seed: int
    block: int
    height: int
    width: int
    guidance_interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        low, high = self.guidance_interval
        for key, holds, rule in (
            ("steps", self.steps >= 1, "1 or more"),
            ("block", self.block >= 1, "1 or more"),
            ("guidance_scale", self.guidance_scale >= 1, "1 (no guidance) or more"),
            ("guidance_interval", 0 <= low <= high <= 1, "two rising fractions from 0 to 1"),
        ):
            if not holds:
                raise UserError(f"{key}: {getattr(self, key)} cannot be used.", f"Give {rule}.")


@dataclass(frozen=True, slots=True)
class Beginning:
    """A picture that images begin from, in place of noise alone.

    latents: [1, C, h, w] as the UNet sees them. strength: share of the steps that are drawn, above 0 to 1.
    """

    latents: Tensor
    strength: float


def block_of(index: int, *, block: int) -> range:
    """The indices that are drawn together with `index`."""
    first = index // block * block
    return range(first, first + block)


def image_seed(seed: int, index: int) -> int:
    """Seed of image `index`: a CPU torch.Generator with it gives StableDiffusionPipeline the same noise."""
    return position_seed(seed, STREAM, 0, index)


def check_fit(base: BaseModel, settings: SamplerSettings) -> None:
    """UserError where the base cannot draw images of that size, or in that many steps."""
    factor = _reduction(base)
    if settings.height % factor or settings.width % factor:
        raise UserError(
            f"image size {settings.height}x{settings.width} does not fit base model {base.name}.",
            f"Give multiples of {factor}.",
        )
    timesteps = base.scheduler.config.num_train_timesteps
    if settings.steps >= timesteps:
        raise UserError(
            f"steps: {settings.steps} is more than base model {base.name} can tell apart.",
            f"Give fewer than {timesteps}.",
        )


def _reduction(base: BaseModel) -> int:
    """Pixels along one side of a latent."""
    return 2 ** (len(base.vae.config.block_out_channels) - 1)


def initial_noise(base: BaseModel, settings: SamplerSettings, indices: Sequence[int]) -> Tensor:
    """Standard normal latents, fp32 on the CPU, [len(indices), C, H / f, W / f], f the VAE's reduction."""
    factor = _reduction(base)
    shape = (base.unet.config.in_channels, settings.height // factor, settings.width // factor)
    return normal(shape, settings.seed, STREAM, 0, indices)


def place(base: BaseModel, *, device: torch.device, dtype: torch.dtype) -> None:
    """Move what drawing needs. Fuse adapters first: adding them in fp16 would round them away."""
    # SDXL's autoencoder overflows in fp16 (diffusers upcasts it, too).
    for module, precision in ((base.unet, dtype), (base.vae, dtype if base.second is None else torch.float32)):
        nn.Module.to(module, device=device, dtype=precision)  # diffusers' own warns of an empty list of layers


def draw_block(
    base: BaseModel,
    settings: SamplerSettings,
    indices: Sequence[int],
    *,
    prompt_states: Tensor,
    negative_states: Tensor | None,
    guide: UNet2DConditionModel | None = None,
    beginning: Beginning | None = None,
    unet_pass: UNetPass = plain_pass,
) -> np.ndarray:
    """Draw images `indices` of the set, uint8 [len(indices), H, W, 3], as `draw_parts` does."""
    parts = draw_parts(
        base, settings, indices, prompt_states=prompt_states, negative_states=negative_states, guide=guide,
        beginning=beginning, unet_pass=unet_pass,
    )  # fmt: skip
    return np.concatenate(parts)


def draw_parts(
    base: BaseModel,
    settings: SamplerSettings,
    indices: Sequence[int],
    *,
    prompt_states: Tensor,
    negative_states: Tensor | None,
    guide: UNet2DConditionModel | None = None,
    beginning: Beginning | None = None,
    unet_pass: UNetPass = plain_pass,
) -> list[np.ndarray]:
    """Draw a block, uint8 [len(indices), H, W, 3], or in their order the parts of it that the memory holds.

    base: adapters fused, then placed (see `place`); images are drawn where it is, in its precision.
    prompt_states: [1, 77, D] of `encode_prompts`, or [len(indices), 77, D] for a prompt each.
    negative_states: [1, 77, D]; none is needed at scale 1, nor with a guide.
    guide: a worse version of the model, asked with the same prompt, which predictions are led away from in
    place of the negative prompt (autoguidance, Karras et al. 2024).
    beginning: what each image begins from (SDEdit, Meng et al. 2022); none begins from noise.
    unet_pass: how the UNet and the guide are run, such as RecordedPasses.
    Parts may differ from the whole block by one grey level in a few values. UserError where one image is too many, and
    those of `check_fit`.
    """
    check_fit(base, settings)
    try:
        noise = initial_noise(base, settings, indices).to(base.unet.device, base.unet.dtype)
        prompts = prompt_states.expand(len(noise), -1, -1).to(noise)
        negative = None if negative_states is None else negative_states.expand(len(noise), -1, -1).to(noise)
        guidance = Guidance(prompts, negative, guide, settings.guidance_scale)
        predict = build_predictor(base.unet, guidance, unet_pass)
        if beginning is not None:
            return [decode_latents(base, _denoise_from(base, settings, noise, predict, beginning))]
        return [decode_latents(base, _denoise(base, settings, noise, predict))]
    except torch.OutOfMemoryError:
        if len(indices) == 1:
            raise UserError(
                f"{base.unet.device} has not the memory for one image of {settings.height}x{settings.width}.",
                "Free some, draw smaller images, or use --precision fp16.",
            ) from None
    # Past the handler, so that its traceback no longer holds the tensors that did not fit.
    if base.unet.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(indices) // 2
    halves = [
        draw_parts(
            base, settings, indices[part], negative_states=negative_states, guide=guide, beginning=beginning,
            prompt_states=prompt_states if len(prompt_states) == 1 else prompt_states[part], unet_pass=unet_pass,
        )
        for part in (slice(half), slice(half, None))
    ]  # fmt: skip
    return [part for parts in halves for part in parts]


@torch.inference_mode()
def _denoise(base: BaseModel, settings: SamplerSettings, noise: Tensor, predict: Predict) -> Tensor:
    """Latents [N, C, h, w] of clean images."""
    scheduler = build_scheduler(base, settings.sampler)
    set_timesteps(scheduler, settings.steps)
    return _step_through(base, settings, scheduler, noise * scheduler.init_noise_sigma, scheduler.timesteps, predict)


@torch.inference_mode()
def _denoise_from(
    base: BaseModel, settings: SamplerSettings, noise: Tensor, predict: Predict, beginning: Beginning
) -> Tensor:
    """As StableDiffusionImg2ImgPipeline: the picture with the noise of a later step, then the steps that are left."""
    scheduler = build_scheduler(base, settings.sampler)
    set_timesteps(scheduler, settings.steps)
    skipped = settings.steps - check_strength(beginning.strength, steps=settings.steps)
    timesteps = scheduler.timesteps[skipped:]
    if not isinstance(scheduler, DDIMScheduler):
        scheduler.set_begin_index(skipped)
    clean = beginning.latents.to(noise).expand(len(noise), -1, -1, -1)
    noisy = scheduler.add_noise(clean, noise, timesteps[:1])
    return _step_through(base, settings, scheduler, noisy, timesteps, predict)


def _step_through(
    base: BaseModel,
    settings: SamplerSettings,
    scheduler: Scheduler,
    latents: Tensor,
    timesteps: Tensor,
    predict: Predict,
) -> Tensor:
    """timesteps: on the CPU, where the scheduler keeps its coefficients, so that no step waits for a GPU's answer."""
    guided = _guided(base, settings, timesteps)
    for t, there, leads in zip(timesteps, timesteps.to(latents.device), guided, strict=True):
        prediction = predict(scheduler.scale_model_input(latents, t), there, leads)
        latents = scheduler.step(prediction, t, latents, return_dict=False)[0]
    return latents


def visited_timesteps(base: BaseModel, settings: SamplerSettings) -> list[int] | None:
    """Return the timesteps that the sampler visits, falling; None for DDIM, which takes no list."""
    scheduler = build_scheduler(base, settings.sampler)
    if isinstance(scheduler, DDIMScheduler):
        return None
    return spaced_timesteps(scheduler.alphas_cumprod.numpy(), settings.steps)


def _guided(base: BaseModel, settings: SamplerSettings, timesteps: Tensor) -> list[bool]:
    """Whether guidance acts, per step; read once, for reading a timestep off a GPU waits for it."""
    low, high = settings.guidance_interval
    last = base.scheduler.config.num_train_timesteps - 1
    return [settings.guidance_scale > 1 and low <= t / last <= high for t in timesteps.tolist()]
