"""Measure images during training against photographs, and free the memory afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from woundgen.config.train import TrainConfig
from woundgen.data.photo_set import PhotoSet, patients
from woundgen.errors import UserError
from woundgen.features.cache import Cache, content_digest
from woundgen.features.extractor import Extractor
from woundgen.generation.resize import reduced
from woundgen.metrics.floor import equal_n
from woundgen.metrics.measure import RealSets, measure_images
from woundgen.metrics.prepared import PreparedImages
from woundgen.models.images import round_trip
from woundgen.records import MetricValue
from woundgen.runtime.ranks import Ranks
from woundgen.training.evaluation_plan import Wishes

Images = NDArray[np.uint8]
FEWEST = 16  # photographs and images for FD in training
MOST = 64  # images, where metric_images is left to the plan
AUTO = "auto"


def choose_reference(photos: PhotoSet, config: TrainConfig) -> RealSets | None:
    """Choose the photographs to measure against: held-out ones if enough, else those trained on; None for no metrics.

    UserError where metrics are asked for by name and there are too few photographs or images.
    """
    if config.evaluation.metric_images == 0:
        return None
    sides = [_side(photos, side) for side in ("validation", "train")]
    for side, (images, groups) in enumerate(sides):
        if len(images) and equal_n(2 * len(images), len(images), groups) >= FEWEST // 2:
            trained = sides[1] if side == 0 else None
            _refuse_few_images(config.evaluation.metric_images, len(images))
            return RealSets(
                images,
                photos.preparation,
                groups,
                training=None if trained is None else trained[0],
                training_groups=None if trained is None else trained[1],
            )
    if config.evaluation.metric_images is not None or {config.evaluation.best_metric, config.stopping.metric} - {
        AUTO,
        "val_loss",
    }:
        _refuse_few_images(config.evaluation.metric_images or FEWEST, len(sides[1][0]))
    return None


def _side(photos: PhotoSet, side: str) -> tuple[Images, list[str] | None]:
    rows = photos.rows(side)
    return photos.images[rows], patients([photos.photos[row] for row in rows])


def _refuse_few_images(asked: int | None, photographs: int) -> None:
    if asked is not None and min(asked, photographs) < FEWEST:
        raise UserError(
            f"metric_images = {asked}: FD in training needs at least {FEWEST} images and "
            f"photographs; there are {photographs} photographs.",
            "Set metric_images: 0, or add photographs.",
        )


def evaluation_wishes(config: TrainConfig, reference: RealSets | None) -> Wishes:
    """Return what the settings ask for at each evaluation, which the plan fits into evaluation_share."""
    images = config.evaluation.metric_images or (
        MOST if reference is None else min(MOST, max(FEWEST, len(reference.images)))
    )
    return Wishes(
        images=0 if reference is None else images,
        grid=config.evaluation.sample_images,
        sampler_steps=config.evaluation.sampler_steps,
        guided=config.sampling.guidance_scale > 1,
        kinds=2 if config.averaging.ema else 1,
        share=config.evaluation.share,
    )


def choose_monitor(config: TrainConfig, reference: RealSets | None) -> str:
    """Return the metric that chooses the best checkpoint: the one named, else the first measured of FID, FD, loss."""
    if config.evaluation.best_metric != AUTO:
        return config.evaluation.best_metric
    if reference is None:
        return "val_loss"
    return "fid" if "inception" in config.evaluation.feature_networks else "fd"


def build_measure(
    vae: nn.Module, networks: Sequence[Extractor], reference: RealSets, *, as_trained: Images | None = None
) -> Callable[[Images], list[MetricValue]]:
    """Return a function of images, uint8 [N, H, W, 3], that gives FD, KID, SSIM and the perceptual distance, each with
    floor, ceiling and training row.

    as_trained: the reference's photographs at the size that is trained, where that is larger.
    Features of photographs are computed at the first call and cached; those of generated images are not. Networks are
    on the autoencoder's device while they work, and on the CPU otherwise.
    """
    larger = reference.images if as_trained is None else as_trained
    sets = replace(reference, through=reduced(round_trip(vae, larger), reference.images.shape[1]))
    photographs = (sets.images, sets.through, sets.training)
    cache = Cache(only=frozenset(content_digest(one) for one in photographs if one is not None))

    def measure(images: Images) -> list[MetricValue]:
        device = list(vae.parameters())[-1].device  # of the decoder: the encoder may have been freed
        try:
            for network in networks:
                network.module.to(device)
            drawn = PreparedImages(images, sets.preparation)  # of the model that learns from these photographs
            return measure_images(networks, generated=drawn, real=sets, neighbours=False, artefacts=False, cache=cache)
        finally:
            for network in networks:
                network.module.to("cpu")
            if device.type == "cuda":
                torch.cuda.empty_cache()

    return measure


def measure_by_ranks(
    drawn: Mapping[str, Images], *, measure: Callable[[Images], list[MetricValue]] | None, ranks: Ranks
) -> dict[str, list[MetricValue]]:
    """Measure each set of images on one rank and return all rows on every rank, by the name of the set.

    {} where nothing is measured.
    """
    if measure is None:
        return {}
    names = list(drawn)
    own_rows = {names[i]: measure(drawn[names[i]]) for i in ranks.shard(len(names))}
    gathered = {}
    for number, name in enumerate(names):
        text = json.dumps([asdict(row) for row in own_rows.get(name, ())])
        rows = json.loads(ranks.broadcast(text, source=number % ranks.size))
        gathered[name] = [MetricValue(**row | {key: tuple(row[key]) for key in ("n", "splits")}) for row in rows]
    return gathered
