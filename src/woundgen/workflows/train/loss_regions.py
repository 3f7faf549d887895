"""Weight the loss by region: masks or boxes of the photographs, for each augmented variation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from woundgen.config.train import TrainConfig
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.photo_set import PhotoSet
from woundgen.data.pixels.augment import mask_variations
from woundgen.data.pixels.masks import Masks, region_weights, wound_masks
from woundgen.errors import UserError
from woundgen.training.latents import Latents


def load_masks(config: TrainConfig, photos: PhotoSet, *, data: Path) -> Masks | None:
    """Load masks [N, R, R] of the photographs that are trained on, 1 in the wound; None where all places count alike.

    UserError where no photograph has a mask or a box.
    """
    if config.loss.region_weight == 1:
        return None
    folder = None if config.loss.region_masks is None else Path(config.loss.region_masks)
    if folder is None and not any(photo.box for photo in photos.photos):
        raise UserError(
            f"region_weight = {config.loss.region_weight:g}, but no photograph has a wound box.",
            "Give x_min, y_min, x_max, y_max in metadata.csv, region_masks: FOLDER, or set region_weight: 1.",
        )
    if folder is not None and not folder.is_dir():
        raise UserError(f"region_masks: {folder} is not a folder.", "Name the folder that holds the masks.")
    masks = wound_masks(
        [photos.photos[row] for row in photos.rows("train")],
        resolution=photos.images.shape[1],
        margin=config.photographs.box_margin,
        roots=[photograph_root(data)],
        folder=folder,
    )
    if not masks.any():
        raise UserError(f"region_masks: no mask in {folder} marks a wound.", "Make the wound white, the rest black.")
    return masks


def masks_digest(config: TrainConfig, masks: Masks | None) -> str | None:
    """Digest of the mask files; None for boxes, which the photographs' digest covers."""
    return None if masks is None or config.loss.region_masks is None else hashlib.sha256(masks.tobytes()).hexdigest()


def build_region_weights(config: TrainConfig, masks: Masks | None, *, latents: Latents) -> Tensor | None:
    """Return weights [N, K, h, w] of mean 1 for the latents' variations; None where all places count alike."""
    if masks is None:
        return None
    varied = mask_variations(masks, count=latents.mean.shape[1], seed=config.seed)
    return torch.from_numpy(region_weights(varied, weight=config.loss.region_weight, side=latents.mean.shape[-1]))
