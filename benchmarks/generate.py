"""Seconds to draw a block of images: woundgen's sampler against StableDiffusionPipeline.

    python benchmarks/generate.py                 # embedded base
    python benchmarks/generate.py --base sd21-base --size 128 --rounds 3
    python benchmarks/generate.py --base random-sd21 --device cuda --half     # Stable Diffusion's shape, random weights

Three ways, one after the other in every round, medians over the rounds:
    pipeline   StableDiffusionPipeline with the adapter loaded as diffusers documents (load_lora_weights)
    fused      draw_block with the adapter fused: the same images, to rounding
    interval   draw_block with guidance only inside --interval: other images; whether they are worse is for
               the FD of a trained base to say, not for this file
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, StableDiffusionPipeline
from harness import Seconds, make_parser, ratios, read_options, take_turns

from tests.published_architectures import build
from woundgen.adapters.lora import add_lora, fuse_lora, save_lora
from woundgen.config.method_groups import LoraOptions
from woundgen.generation.sampler import SamplerSettings, draw_block, initial_noise, place
from woundgen.generation.spacing import spaced_timesteps
from woundgen.models.base import EMBEDDED, BaseModel, encode_prompts, load_base
from woundgen.models.unet_pass import UNetPass, plain_pass
from woundgen.shipped import architecture
from woundgen.storage.names import ADAPTER_FILE

PROMPT = "medical photograph of diabetic foot ulcer, redness, swelling, clinical documentation"
NEGATIVE = "blurry, low quality, healthy skin, cartoon, artificial"
SCHEDULERS = {"dpmsolver++": DPMSolverMultistepScheduler, "ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}
RANDOM = "random-"
Way = Callable[[], np.ndarray]


def main() -> None:
    parser = make_parser(
        __doc__, clock=True, base=EMBEDDED, steps=25, size=architecture.IMAGE_SIZE, guidance=3.0, rounds=7, threads=1,
        device="cpu",
    )  # fmt: skip
    parser.add_argument("--sampler", choices=SCHEDULERS, default="dpmsolver++")
    parser.add_argument("--images", type=int, default=8, help="images in a block")
    parser.add_argument("--interval", type=float, nargs=2, default=(0.1, 0.6), metavar=("LOW", "HIGH"))
    parser.add_argument("--half", action="store_true", help="fp16")
    options = read_options(parser)
    device, dtype = torch.device(options.device), torch.float16 if options.half else torch.float32
    settings = SamplerSettings(
        options.sampler, options.steps, options.guidance, seed=0, block=options.images,
        height=options.size, width=options.size,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        adapter = random_adapter(loaded(options.base, device), Path(folder))
        drawing = our_drawing(loaded(options.base, device), adapter, device, dtype)
        ways = {
            "pipeline": pipeline_way(loaded(options.base, device), adapter, settings, device, dtype),
            "fused": partial(drawing, settings),
            "interval": partial(drawing, replace(settings, guidance_interval=tuple(options.interval))),
        }
    images = {way: draw() for way, draw in ways.items()}  # also warms up
    apart = np.abs(images["fused"].astype(int) - images["pipeline"].astype(int))
    print(
        f"{options.images} images of {options.size} pixels, {options.steps} steps of {options.sampler}, "
        f"guidance {options.guidance:g}, {device}, {dtype}, {options.threads} threads"
    )
    print(f"fused against pipeline: at most {apart.max()} levels apart, {(apart > 0).mean():.4%} of values differ")
    # A way ends in a copy to the CPU, which waits for a GPU.
    show(take_turns(ways, rounds=options.rounds, clock=options.clock, warm=0))


def loaded(name: str, device: torch.device) -> BaseModel:
    """The same weights each time, random ones too."""
    if name.startswith(RANDOM):
        return build(name.removeprefix(RANDOM), str(device))
    return load_base(name)


def random_adapter(base: BaseModel, folder: Path) -> Path:
    """An adapter of the consultation's shape that changes something; `base` is spent on it."""
    settings = LoraOptions(rank=16, alpha=32, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))
    tensors = add_lora(base.unet, settings, seed=0)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.copy_(0.02 * torch.randn(tensor.shape, generator=source))
    save_lora(folder, base.unet, dict(tensors), settings, notes={})
    return folder


def pipeline_way(
    base: BaseModel, adapter: Path, settings: SamplerSettings, device: torch.device, dtype: torch.dtype, *,
    best: bool = False,
) -> Way:  # fmt: skip
    """best: as diffusers' documents on speed say, with the adapter fused and the UNet in channels-last."""
    pipeline = StableDiffusionPipeline(
        vae=base.vae, text_encoder=base.text_encoder, tokenizer=base.tokenizer, unet=base.unet,
        scheduler=base.scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.scheduler = SCHEDULERS[settings.sampler].from_config(pipeline.scheduler.config)
    pipeline.load_lora_weights(adapter)
    if best:
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
        pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.to(device=device, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    noise = initial_noise(base, settings, range(settings.block)).to(device=device, dtype=dtype)
    visited = {"timesteps": spaced_timesteps(base.scheduler.alphas_cumprod.numpy(), settings.steps)}
    if settings.sampler == "ddim":
        visited = {"num_inference_steps": settings.steps}

    def draw() -> np.ndarray:
        drawn = pipeline(
            prompt=[PROMPT] * settings.block,
            negative_prompt=[NEGATIVE] * settings.block,
            **visited,
            guidance_scale=settings.guidance_scale,
            height=settings.height,
            width=settings.width,
            latents=noise,
        )
        return np.stack([np.asarray(image) for image in drawn.images])

    return draw


@dataclass(frozen=True)
class OurDrawing:
    """Draws blocks with our loop. base: with the adapter fused. prompt, negative: states [1, 77, D]."""

    base: BaseModel
    prompt: torch.Tensor
    negative: torch.Tensor

    def __call__(self, settings: SamplerSettings, unet_pass: UNetPass = plain_pass) -> np.ndarray:
        return draw_block(
            self.base, settings, range(settings.block), prompt_states=self.prompt, negative_states=self.negative,
            unet_pass=unet_pass,
        )  # fmt: skip


def our_drawing(base: BaseModel, adapter: Path, device: torch.device, dtype: torch.dtype) -> OurDrawing:
    fuse_lora(base.unet, [(adapter / ADAPTER_FILE, 1.0)])
    place(base, device=device, dtype=dtype)
    return OurDrawing(base, *encode_prompts(base, [PROMPT, NEGATIVE]).split(1))


def show(seconds: Seconds) -> None:
    """Medians, and the median of the ratios taken within each round."""
    print(f"{'way':<10}{'median s':>10}{'times as fast':>15}{'range':>14}")
    for way, values in seconds.items():
        faster = ratios(seconds, "pipeline", way)
        spread = f"{min(faster):.2f}-{max(faster):.2f}"
        print(f"{way:<10}{statistics.median(values):>10.2f}{statistics.median(faster):>15.2f}{spread:>14}")


if __name__ == "__main__":
    main()
