"""How the networks that ship were made: `woundgen rebuild features | autoencoder | base`.

Each stage is resumable (run the same command again) and reads what the one before it left in the work folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from woundgen.errors import UserError
from woundgen.features.embedded import FeatureNetwork
from woundgen.models.architecture import LATENT_CHANNELS, build_autoencoder
from woundgen.training.autoencoder import autoencoder_step, fit_block_basis, standardise_latents
from woundgen.training.feature_network import Targets, feature_step, to_unit
from woundgen.training.fit import cosine, fit
from woundgen.workflows.phantom_pool import TRAINING_SEED, Pool, render_pool

Say = Callable[[str], None]

FEATURES_FILE, AUTOENCODER_FOLDER = "features.safetensors", "vae"

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
    processes: int = 2
    seed: int = 1


def pool_of(settings: RebuildSettings, say: Say) -> Pool:
    return render_pool(
        settings.folder / "pool",
        count=settings.phantoms,
        seed=TRAINING_SEED,
        spoiled_share=0.12,
        processes=settings.processes,
        say=say,
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


def rebuild_features(settings: RebuildSettings, say: Say) -> Path:
    pool = pool_of(settings, say)
    targets = feature_targets(pool)
    torch.manual_seed(settings.seed)
    network = FeatureNetwork(outputs=3 + targets.others.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.02)

    def step(number: int) -> dict[str, float]:
        return feature_step(
            network, optimizer, pool.images, targets, batch=settings.batch, seed=settings.seed, step=number
        )

    fit(
        modules={"network": network},
        optimizers={"network": optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=_rate(settings),
        folder=settings.folder / "features",
        save_every=500,
        say=say,
    )
    target = settings.folder / FEATURES_FILE
    save_file({key: _half(value) for key, value in network.state_dict().items()}, target)
    return target


def rebuild_autoencoder(settings: RebuildSettings, say: Say) -> Path:
    pool = pool_of(settings, say)
    judge = cache(lambda: _feature_network(settings.folder))  # needed from the end of the bootstrap on
    torch.manual_seed(settings.seed)
    model = build_autoencoder().to(memory_format=torch.channels_last).train()
    with torch.no_grad():  # start with little posterior noise: log variance -6, a deviation of 0.05
        model.quant_conv.bias[LATENT_CHANNELS:] = -6
    basis = fit_block_basis(to_unit(pool.images[:1000]), LATENT_CHANNELS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(number: int) -> dict[str, float]:
        return autoencoder_step(
            model,
            optimizer,
            basis,
            judge,
            pool.images,
            step=number,
            full_images_from=int(0.8 * settings.steps),
            batch=settings.batch,
            seed=settings.seed,
        )

    fit(
        modules={"vae": model},
        optimizers={"vae": optimizer},
        step=step,
        steps=settings.steps,
        learning_rate=_rate(settings),
        folder=settings.folder / "autoencoder",
        save_every=500,
        say=say,
    )
    latents, _ = encode_images(model, pool.images[:1000])
    standardise_latents(model, latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3)))
    target = settings.folder / AUTOENCODER_FOLDER
    model.half().save_pretrained(target, safe_serialization=True)
    return target


@torch.no_grad()
def encode_images(
    model: torch.nn.Module, images: NDArray[np.uint8], *, batch: int = 32
) -> tuple[Tensor, Tensor]:
    """Posterior mean and deviation, each [N, C, H/8, W/8] fp32."""
    means, deviations = [], []
    for first in range(0, len(images), batch):
        posterior = model.encode(to_unit(images[first : first + batch])).latent_dist  # type: ignore[operator]
        means.append(posterior.mean)
        deviations.append(posterior.std)
    return torch.cat(means), torch.cat(deviations)


def _rate(settings: RebuildSettings) -> Callable[[int], float]:
    return lambda step: settings.learning_rate * cosine(step, steps=settings.steps, warmup=100)


def _half(tensor: Tensor) -> Tensor:
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor


def _feature_network(folder: Path) -> FeatureNetwork:
    path = folder / FEATURES_FILE
    if not path.exists():
        raise UserError(f"{path} does not exist.", "Run `woundgen rebuild features` with the same --work first.")
    tensors = load_file(path)
    network = FeatureNetwork(outputs=len(tensors["heads.bias"]))
    network.load_state_dict({key: value.float() for key, value in tensors.items()})
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
