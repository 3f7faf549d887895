"""Region weighting of a run: the boxes of its photographs as weights of the loss, for each augmented variation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from woundgen.config import TrainConfig
from woundgen.data.augment import mask_variations
from woundgen.data.manifest import photograph_root
from woundgen.data.regions import region_weights, wound_masks
from woundgen.errors import UserError
from woundgen.training.latents import Latents
from woundgen.workflows.photographs import PhotoSet


def refuse_no_boxes(config: TrainConfig, photos: PhotoSet) -> None:
    if config.region_weight != 1 and not any(photo.box for photo in photos.photos):
        raise UserError(
            f"region_weight = {config.region_weight:g}, but no photograph says where its wound is.",
            "Give x_min, y_min, x_max, y_max in metadata.csv, or set region_weight: 1.",
        )


def regions_of(
    config: TrainConfig, photos: PhotoSet, rows: Sequence[int], *, data: Path, latents: Latents
) -> Tensor | None:
    """[N, K, h, w] of mean 1 for the latents' variations; None where all places count alike."""
    if config.region_weight == 1:
        return None
    masks = wound_masks(
        [photos.photos[row] for row in rows],
        resolution=photos.images.shape[1],
        margin=config.box_margin,
        roots=[photograph_root(data)],
    )
    varied = mask_variations(masks, count=latents.mean.shape[1], seed=config.seed)
    return torch.from_numpy(region_weights(varied, weight=config.region_weight, side=latents.mean.shape[-1]))
