"""The embedded base from scratch: UNet and text encoder trained together on captioned phantoms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor

from woundgen.events import Info, Work
from woundgen.models.images import encode_images
from woundgen.shipped.architecture import build_scheduler
from woundgen.shipped.denoiser import CaptionedLatents, begin_denoiser_training, train_denoiser_step
from woundgen.shipped.fit import RATE_FLOOR, fit
from woundgen.storage.tensors import save_tensors
from woundgen.training.learning_rate import schedule
from woundgen.workflows.rebuild.base_networks import BaseNetworks, beginning
from woundgen.workflows.rebuild.export_base import export_base
from woundgen.workflows.rebuild.phantom_pool import Pool
from woundgen.workflows.rebuild.stages import (
    AUTOENCODER_FOLDER,
    ENCODER_FOLDER,
    RebuildSettings,
    check_stage_done,
    open_pool,
)

CHECKPOINTS = "denoiser"
WARMUP = 1000  # steps
SAVE_EVERY = {"cpu": 500, "cuda": 2000}
"""Steps between checkpoints, by device: ten minutes of a CPU, half a minute of a card."""


def rebuild_base(settings: RebuildSettings) -> Work[Path]:
    """Train to settings.steps (resuming what is there) and write the diffusers folder `base` with averaged weights."""
    check_stage_done(settings.folder / AUTOENCODER_FOLDER, "decoder")
    pool = yield from open_pool(settings)
    networks = yield from beginning(settings.start, captions=pool.captions, seed=settings.seed)
    data = yield from _captioned_latents(settings, pool, networks)
    for module in (networks.unet, networks.text_encoder):
        torch.nn.Module.to(module, settings.device)
    training = begin_denoiser_training(networks.unet, networks.text_encoder)

    def step(number: int) -> dict[str, Tensor]:
        return train_denoiser_step(training, data, batch=settings.batch, seed=settings.seed, step=number)

    yield from fit(
        modules={"denoiser": training.tensors()},
        optimizers={"adamw": training.optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=schedule(
            "cosine", peak=settings.learning_rate, steps=settings.steps, warmup=WARMUP, floor=RATE_FLOOR
        ),
        folder=settings.folder / CHECKPOINTS,
        save_every=SAVE_EVERY[settings.device],
        begun_from=networks.begun_from,
    )
    networks.load(training.trainable.split(training.average))
    return export_base(settings.folder, networks.unet, networks.text_encoder, networks.tokenizer)


def _captioned_latents(settings: RebuildSettings, pool: Pool, networks: BaseNetworks) -> Work[CaptionedLatents]:
    mean, deviation = yield from pool_latents(pool, settings)
    device = settings.device
    return CaptionedLatents(
        mean=mean.to(device),
        deviation=deviation.to(device),
        tokens=_tokens(networks.tokenizer, pool.captions).to(device),
        empty=_tokens(networks.tokenizer, [""])[0].to(device),
        alphas_cumprod=build_scheduler().alphas_cumprod.to(device),
    )


def pool_latents(pool: Pool, settings: RebuildSettings) -> Work[tuple[Tensor, Tensor]]:
    """Posterior means and deviations of the whole pool, encoded once for each size of the pool and stored on disk."""
    cache = settings.folder / f"latents_{len(pool.images)}.safetensors"
    if not cache.exists():
        source = settings.folder / ENCODER_FOLDER
        check_stage_done(source, "encoder")
        vae = AutoencoderKL.from_pretrained(source, torch_dtype=torch.float32).eval()
        vae.to(settings.device, memory_format=torch.channels_last)
        yield Info(f"encoding {len(pool.images)} phantoms")
        mean, deviation = encode_images(vae, pool.images)
        save_tensors({"mean": mean.contiguous(), "deviation": deviation.contiguous()}, cache)
    tensors = load_file(cache)
    return tensors["mean"], tensors["deviation"]


def _tokens(tokenizer: Callable, texts: list[str]) -> Tensor:
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
