"""Encode the training photographs and their variations as latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from woundgen.data.pixels.augment import variations
from woundgen.models.base import BaseModel
from woundgen.models.images import encode_images
from woundgen.runtime.console import Say
from woundgen.training.latents import Latents


def encode_variations(base: BaseModel, images: NDArray[np.uint8], *, count: int, seed: int, say: Say) -> Latents:
    """Latents of `count` variations of each photograph (1: the photographs alone)."""
    say(f"encoding {len(images)} photographs in {count} variations")
    varied = variations(images, count=count, seed=seed).reshape(-1, *images.shape[1:])
    mean, deviation = encode_images(base.vae, varied)
    shape = (len(images), count, *mean.shape[1:])
    return Latents(mean=mean.view(shape), deviation=deviation.view(shape), scale=base.latent_scale)
