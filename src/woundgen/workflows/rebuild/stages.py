"""How the networks that ship were made: `woundgen rebuild features | encoder | decoder | base`.

Each stage is resumable (run the same command again) and reads what the one before it left in the work folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from woundgen.errors import UserError
from woundgen.events import Work
from woundgen.features.embedded import FeatureNetwork, fit_detail
from woundgen.models.base import load_base
from woundgen.models.images import encode_images, to_unit
from woundgen.shipped.architecture import DECODER_WIDTHS, LATENT_CHANNELS, build_autoencoder
from woundgen.shipped.autoencoder import autoencoder_step, crops, fit_block_basis, latent_spread, standardise_latents
from woundgen.shipped.decoder import averaged_autoencoder, begin_decoder_training, train_decoder_step
from woundgen.shipped.feature_network import Targets, count_outputs, feature_step
from woundgen.shipped.fit import RATE_FLOOR, fit
from woundgen.shipped.widen import copy_widened
from woundgen.storage.tensors import save_tensors
from woundgen.training.learning_rate import schedule
from woundgen.workflows.rebuild.phantom_pool import SPOILED_SHARE, TRAINING_SEED, Pool, render_pool

DECODER_WARMUP = 100  # steps
DETAIL_FITTED_ON = 2000  # clean phantoms of the pool

FEATURES_FILE, ENCODER_FOLDER, AUTOENCODER_FOLDER = "features.safetensors", "vae_first_stage", "vae"

# What a viewer could read off the picture; the rest (noise seeds, texture offsets) cannot be regressed.
READABLE = (
    "healing", "skin_tone", "skin_warmth", "skin_flush", "mottling", "skin_relief", "skin_gloss", "callus",
    "redness", "halo_width", "swelling", "slough", "necrosis", "bed_paleness", "bed_darkness", "granularity",
    "gloss", "depth", "epithelium", "scar", "contraction", "maceration", "dryness", "crust", "wound_radius",
    "elongation", "jaggedness", "limb_width", "zoom", "exposure", "red_gain", "blue_gain", "vignette", "defocus",
    "noise",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RebuildSettings:
    folder: Path
    phantoms: int
    steps: int
    batch: int
    learning_rate: float
    start: Path | None = None  # a base whose networks the stages `decoder` and `base` begin from
    processes: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    seed: int = 1
    device: str = "cpu"  # or "cuda"


def open_pool(settings: RebuildSettings) -> Work[Pool]:
    return (
        yield from render_pool(
            settings.folder / "pool",
            count=settings.phantoms,
            seed=TRAINING_SEED,
            spoiled_share=SPOILED_SHARE,
            processes=settings.processes,
        )
    )


def feature_targets(pool: Pool) -> Targets:
    """Phase, readable parameters (standardised), one-hot scene, image faults."""
    columns = {name: pool.parameters[:, i] for i, name in enumerate(pool.names)}
    readable = np.stack([columns[name] for name in READABLE], axis=1)
    readable = (readable - readable.mean(0)) / readable.std(0).clip(1e-6)
    scene = [
        (columns[name][:, None] == np.unique(columns[name])[None]).astype(np.float32)
        for name in ("limb_kind", "backdrop")
    ]
    return Targets(
        phase=pool.phases, others=np.concatenate([readable, *scene, 2 * pool.faults], axis=1).astype(np.float32)
    )


def rebuild_features(settings: RebuildSettings) -> Work[Path]:
    pool = yield from open_pool(settings)
    targets = feature_targets(pool)
    torch.manual_seed(settings.seed)
    network = FeatureNetwork(outputs=count_outputs(targets))
    network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.02)

    def step(number: int) -> dict[str, float]:
        return feature_step(
            network, optimizer, pool.images, targets, batch=settings.batch, seed=settings.seed, step=number
        )

    yield from fit(
        modules={"network": network},
        optimizers={"network": optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=_rate(settings),
        folder=settings.folder / "features",
        save_every=500,
    )
    network.to("cpu").eval()
    clean = np.flatnonzero(pool.faults.sum(1) == 0)[:DETAIL_FITTED_ON]
    fit_detail(network, to_unit(pool.images[clean]))
    target = settings.folder / FEATURES_FILE
    save_tensors({key: _half(value) for key, value in network.state_dict().items()}, target)
    return target


def rebuild_encoder(settings: RebuildSettings) -> Work[Path]:
    """First stage of the autoencoder; its encoder is final, and its latents are scaled per channel."""
    pool = yield from open_pool(settings)
    torch.manual_seed(settings.seed)
    model = build_autoencoder().to(settings.device, memory_format=torch.channels_last).train()
    with torch.no_grad():  # start with little posterior noise: log variance -6, a deviation of 0.05
        model.quant_conv.bias[LATENT_CHANNELS:] = -6
    # On the CPU wherever the rest is: the signs of its vectors are the library's choice, and a resume needs the same.
    basis = fit_block_basis(to_unit(pool.images[:1000]), LATENT_CHANNELS).to(settings.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(number: int) -> dict[str, float]:
        noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
        return autoencoder_step(model, optimizer, basis, draw_batch(pool, settings, number), step=number, noise=noise)

    yield from _fit(settings, "autoencoder", model, optimizer, step)
    latents = encode_images(model, pool.images[:1000])[0].to(settings.device)
    standardise_latents(model, latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3)) / latent_spread(basis))
    return _save_autoencoder(model, settings.folder / ENCODER_FOLDER)


def rebuild_decoder(settings: RebuildSettings) -> Work[Path]:
    """Second stage: the saved autoencoder twice as wide, its decoder trained on; the encoder writes the same latents.

    The stage's average may be used before its last step: run it with --steps at what is done to write that.
    """
    pool = yield from open_pool(settings)
    torch.manual_seed(settings.seed)
    vae, begun_from = _begin_autoencoder(settings)
    training = begin_decoder_training(vae.to(settings.device, memory_format=torch.channels_last))

    def step(number: int) -> dict[str, float]:
        return train_decoder_step(training, pool.images, batch=settings.batch, seed=settings.seed, step=number)

    yield from fit(
        modules={"vae": training.vae, "average": training.average, "discriminator": training.discriminator},
        optimizers={"vae": training.optimizer, "discriminator": training.discriminator_optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=_decoder_rate(settings),
        folder=settings.folder / "decoder",
        save_every=250,
        begun_from=begun_from,
    )
    return _save_autoencoder(averaged_autoencoder(training), settings.folder / AUTOENCODER_FOLDER)


def _begin_autoencoder(settings: RebuildSettings) -> tuple[AutoencoderKL, str]:
    """Return the first stage twice as wide, or the autoencoder of settings.start; and the digest of the latter."""
    if settings.start is not None:
        base = load_base(str(settings.start))
        return base.vae, base.digest
    source = settings.folder / ENCODER_FOLDER
    check_stage_done(source, "encoder")
    narrow = AutoencoderKL.from_pretrained(source, torch_dtype=torch.float32)
    vae = build_autoencoder(widths=DECODER_WIDTHS)
    copy_widened(narrow, vae, seed=settings.seed)
    return vae, ""


def check_stage_done(folder: Path, stage: str) -> None:
    """UserError where the folder that a stage writes is not there."""
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist.", f"Run `woundgen rebuild {stage}` with the same --work first.")


def _decoder_rate(settings: RebuildSettings) -> Callable[[int], float]:
    """Warm-up, constant, and in the last quarter linearly down, so that the last average is not of a moving target."""
    falling = max(1, settings.steps // 4)

    def rate(step: int) -> float:
        left = max(RATE_FLOOR, min(1.0, (settings.steps - step) / falling))
        return settings.learning_rate * left * min(1.0, (step + 1) / DECODER_WARMUP)

    return rate


def draw_batch(pool: Pool, settings: RebuildSettings, step: int) -> Tensor:
    """Crops for a step, whole images in the last fifth of the run: a function of (seed, step)."""
    whole = step >= 0.8 * settings.steps
    return crops(
        pool.images,
        batch=settings.batch // 4 if whole else settings.batch,
        size=pool.images.shape[1] if whole else 64,
        rng=np.random.default_rng([settings.seed, step]),
    ).to(settings.device)


def _fit(
    settings: RebuildSettings,
    name: str,
    model: AutoencoderKL,
    optimizer: torch.optim.Optimizer,
    step: Callable[[int], dict[str, float]],
) -> Work[None]:
    yield from fit(
        modules={"vae": model},
        optimizers={"vae": optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=_rate(settings),
        folder=settings.folder / name,
        save_every=500,
    )


def _save_autoencoder(model: AutoencoderKL, target: Path) -> Path:
    model.half().save_pretrained(target, safe_serialization=True)
    return target


def _rate(settings: RebuildSettings) -> Callable[[int], float]:
    return schedule("cosine", peak=settings.learning_rate, steps=settings.steps, warmup=100, floor=RATE_FLOOR)


def _half(tensor: Tensor) -> Tensor:
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor
