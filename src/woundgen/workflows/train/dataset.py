"""The photographs of a run: split, prepared, with masks and the reference for metrics; and their latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.config.train import TrainConfig
from woundgen.data.photo_set import PhotoSet, as_trained_on, gather_for
from woundgen.data.pixels.augment import variations
from woundgen.data.pixels.masks import Masks
from woundgen.events import Progress, Work, complete
from woundgen.metrics.measure import RealSets
from woundgen.models.base import BaseModel
from woundgen.models.images import encode_images
from woundgen.training.latents import Latents
from woundgen.workflows.train.image_metrics import choose_reference
from woundgen.workflows.train.loss_regions import load_masks, masks_digest

PART = 32  # images encoded at once


@dataclass(frozen=True, slots=True)
class Dataset:
    """photos: at `resolution`. trained: the same photographs at the side that is trained.

    masks: [N, R, R] of the photographs that are trained on; None where all places count alike. masks_digest: None
    where masks come from boxes, which the photographs' digest covers. reference: for metrics in training; None where
    nothing is measured.
    """

    photos: PhotoSet
    trained: PhotoSet
    masks: Masks | None
    masks_digest: str | None
    reference: RealSets | None


def load_dataset(config: TrainConfig, folder: Path) -> Dataset:
    """Read, split and prepare the photographs under `folder`, which is only read."""
    photos = gather_for(config, folder)
    trained = as_trained_on(config, folder, photos)
    masks = load_masks(config, trained, data=folder)
    return Dataset(
        photos=photos,
        trained=trained,
        masks=masks,
        masks_digest=masks_digest(config, masks),
        reference=choose_reference(photos, config),
    )


def encode_variations(base: BaseModel, images: NDArray[np.uint8], *, count: int, seed: int) -> Latents:
    """Encode `count` variations of each photograph (1: the photographs alone). images: uint8 [N, H, W, 3]."""
    return complete(encode_with_progress(base, images, count=count, seed=seed))


def encode_with_progress(base: BaseModel, images: NDArray[np.uint8], *, count: int, seed: int) -> Work[Latents]:
    """Encode as `encode_variations` does, and say how far it is."""
    varied = variations(images, count=count, seed=seed).reshape(-1, *images.shape[1:])
    parts = []
    for first in range(0, len(varied), PART):
        parts.append(encode_images(base.vae, varied[first : first + PART], batch=PART))
        yield Progress(min(first + PART, len(varied)), len(varied), "encoding photographs")
    mean, deviation = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    shape = (len(images), count, *mean.shape[1:])
    return Latents(mean=mean.view(shape), deviation=deviation.view(shape), scale=base.latent_scale)
