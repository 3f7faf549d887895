"""Images in, rows of the results table out: features once, then every formula with its floor and ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.features.embedded import NAME, FeatureNetwork
from woundgen.metrics.pairs import measure_pairs
from woundgen.metrics.rows import Network
from woundgen.metrics.table import measure_sets
from woundgen.models.pixels import to_unit
from woundgen.records import MetricValue
from woundgen.similarity.perceptual import embed, pairwise_squared_distances
from woundgen.similarity.ssim import pairwise_ssim

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Features:
    """pooled: [N, 64]; perceptual: [N, D], squared distances of which are perceptual distances."""

    pooled: NDArray[np.float64]
    perceptual: NDArray[np.float32]


@torch.no_grad()
def features_of(network: FeatureNetwork, images: Images, *, batch: int = 64) -> Features:
    """Both kinds of features in one pass over uint8 [N, H, W, 3]."""
    pooled, perceptual = [], []
    for first in range(0, len(images), batch):
        layers = network.layers(to_unit(images[first : first + batch]))
        pooled.append(network.pool(layers[-1]).double().numpy())
        perceptual.append(embed([layer.numpy() for layer in layers]).astype(np.float32))
    return Features(np.concatenate(pooled), np.concatenate(perceptual))


@torch.no_grad()
def pooled_features(network: FeatureNetwork, images: Images, *, batch: int = 64) -> NDArray[np.float64]:
    """[N, 64] only, for loops that need nothing else."""
    parts = [
        network.pooled(to_unit(images[first : first + batch])).double().numpy()
        for first in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def measure_images(
    network: FeatureNetwork,
    digest: str,
    *,
    generated: Images,
    real: Images,
    real_groups: Sequence[str] | None,
    ceiling: Images | None = None,
    neighbours: bool = True,
) -> list[MetricValue]:
    """fd, kid, neighbour scores, ssim and perceptual distance, each with its floor.

    ceiling: the real images through the base's autoencoder; its FD and KID are added with that label.
    """
    name = Network(NAME, digest)
    of_real, of_generated = features_of(network, real), features_of(network, generated)
    rows = measure_sets(
        of_generated.pooled, of_real.pooled, network=name, real_groups=real_groups, neighbours=neighbours
    )
    if ceiling is not None:
        through = measure_sets(
            pooled_features(network, ceiling), of_real.pooled, network=name, real_groups=real_groups, neighbours=False
        )
        rows += [replace(row, label="ceiling") for row in through if row.label == ""]
    rows += measure_pairs("ssim", _ssim(generated, real), _ssim(real, real), real_groups=real_groups)
    rows += measure_pairs(
        "perceptual",
        pairwise_squared_distances(of_generated.perceptual, of_real.perceptual),
        pairwise_squared_distances(of_real.perceptual, of_real.perceptual),
        network=name,
        real_groups=real_groups,
    )
    return rows


def _ssim(left: Images, right: Images) -> NDArray[np.float64]:
    return pairwise_ssim(left.astype(np.float32) / 255, right.astype(np.float32) / 255)
