"""Encode the training data once: latents of photographs and class images, and the prompts' text states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from woundgen.config.train import prompts_for
from woundgen.data.photo_set import phase_groups
from woundgen.models.prompts import PromptEncoder
from woundgen.training.batches import Batches, with_class_images
from woundgen.training.latents import Latents, concatenate
from woundgen.workflows.train.dataset import encode_with_progress
from woundgen.workflows.train.encodings import encode_once
from woundgen.workflows.train.loss_regions import build_region_weights
from woundgen.workflows.train.session import TrainingSession


@dataclass(frozen=True, slots=True)
class EncodedDataset:
    """The tensors that the loop reads at each step. batches: None where every row counts alike."""

    latents: Latents
    prompts: PromptEncoder
    batches: Batches | None


def encode_dataset(session: TrainingSession, class_images: NDArray[np.uint8]) -> EncodedDataset:
    """Encode the photographs and the class images (uint8 [N, side, side, 3]; N is 0 for most methods)."""
    config, dataset = session.config, session.dataset
    rows = dataset.photos.rows("train")
    phases = [dataset.photos.photos[row].phase for row in rows]
    texts = [prompts_for(config, phase)[0] for phase in phases] + [config.prior.prompt] * len(class_images)
    prompts = PromptEncoder(session.base, texts, live=session.model.method.reads_text)
    latents = _encode(
        session, dataset.trained.images[rows], config.photographs.variations if config.photographs.augmentation else 1
    )
    latents = replace(
        latents,
        region=build_region_weights(config, dataset.masks, latents=latents),
        groups=phase_groups(phases) if config.photographs.balance_phases else None,
    )
    if not len(class_images):
        return EncodedDataset(latents, prompts, batches=None)
    batches = with_class_images(
        latents,
        seed=config.seed,
        batch=config.global_batch,
        class_images=len(class_images),
        weight=config.prior.weight,
    )
    others = _encode(session, class_images, latents.mean.shape[1])
    return EncodedDataset(concatenate(latents, others), prompts, batches)


def _encode(session: TrainingSession, images: NDArray[np.uint8], count: int) -> Latents:
    session.console.info(f"encoding {len(images)} photographs in {count} variations")
    seed = session.config.seed

    def encode() -> tuple[Tensor, Tensor]:
        latents = session.console.follow(encode_with_progress(session.base, images, count=count, seed=seed))
        return latents.mean, latents.deviation

    mean, deviation = encode_once(session, images, encode, what=f"{count} variations of seed {seed}")
    return Latents(mean=mean, deviation=deviation, scale=session.base.latent_scale)
