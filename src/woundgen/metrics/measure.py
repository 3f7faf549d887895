"""Images in, rows of the results table out: features once, then every formula with its floor and ceiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.features.cache import Cache
from woundgen.features.embedded import FeatureNetwork, embedded_extractor
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.metrics.artefact_rows import measure_artefacts
from woundgen.metrics.artefacts import SMALLEST_SIDE, TRACES_VERSION, image_traces
from woundgen.metrics.checks import check_preparations
from woundgen.metrics.floor import equal_n
from woundgen.metrics.pairs import measure_pairs
from woundgen.metrics.prepared import PreparedImages
from woundgen.metrics.rows import Network
from woundgen.metrics.table import DEFAULT_PROTOCOL, Beside, Protocol, measure_inception_score, measure_sets
from woundgen.records import METRICS, MetricValue, Preparation
from woundgen.runtime.devices import choose_device
from woundgen.similarity.perceptual import embed, pairwise_squared_distances
from woundgen.similarity.ssim import pairwise_ssim

Images = NDArray[np.uint8]
Values = NDArray[np.float64]
Pairwise = Callable[[Images, Images], Values]

EMBEDDING_BYTES = 7 << 28  # 1.75 GiB: 200 photographs of 128 x 128 in lpips-vgg, so that each is seen once
PERCEPTUAL = {"embedded": "perceptual", "lpips-vgg": "lpips", "lpips-alex": "lpips"}  # the metric by network


@dataclass(frozen=True, slots=True)
class Features:
    """pooled: [N, 64]; perceptual: [N, D], squared distances of which are perceptual distances."""

    pooled: NDArray[np.float64]
    perceptual: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RealSets:
    """Photographs uint8 [M, H, W, 3] that generated images are held against, and what stands beside them.

    groups: patients, None where unknown. through: the same photographs after the autoencoder (row i of both
    is one photograph). training: those trained on, where the photographs are held-out ones.
    """

    images: Images
    preparation: Preparation
    groups: Sequence[str] | None = None
    through: Images | None = None
    training: Images | None = None
    training_groups: Sequence[str] | None = None


def load_extractors(names: Sequence[str], *, device: str = "cpu") -> list[Extractor]:
    """Each named once. device: auto takes the GPU where torch can use one."""
    networks = [load_extractor(name) for name in dict.fromkeys(names)]
    for network in networks:
        network.module.to(choose_device(device))
    return networks


def features_of(network: FeatureNetwork, images: Images) -> Features:
    """Both kinds of features in one pass over uint8 [N, H, W, 3]."""
    pooled, perceptual = [], []
    for one in embedded_extractor(network, "").outputs(images):
        assert one.pooled is not None
        pooled.append(one.pooled.double().numpy())
        perceptual.append(embed([layer.numpy() for layer in one.layers]).astype(np.float32))
    return Features(np.concatenate(pooled), np.concatenate(perceptual))


def pooled_features(network: FeatureNetwork, images: Images) -> NDArray[np.float64]:
    """[N, 64] only, for loops that need nothing else."""
    return embedded_extractor(network, "").pooled(images)


def measure_images(
    networks: Sequence[Extractor],
    *,
    generated: PreparedImages,
    real: RealSets,
    neighbours: bool = True,
    artefacts: bool = True,
    protocol: Protocol = DEFAULT_PROTOCOL,
    cache: Cache | None = None,
) -> list[MetricValue]:
    """For each network what it can give: fd or fid, kid, neighbour scores, is, perceptual distance; ssim and artefacts.

    Each with its floor, and with ceiling and training row where `real` has such sets.
    neighbours: left out where sets are too small for them (enough_for_neighbours). artefacts: of images of
    SMALLEST_SIDE pixels or more. Raises UserError for sets that were prepared differently.
    """
    check_preparations({"real": real.preparation, "generated": generated.preparation})
    kept, images = cache or Cache(), generated.images
    rows: list[MetricValue] = []
    for network in networks:
        rows += _set_rows(network, images, real, neighbours, protocol, kept)
    rows += _pair_rows("ssim", None, ssim_between_sets, images, real, kept)
    for network in networks:
        if network.name in PERCEPTUAL:
            pairwise = perceptual_between(network)
            rows += _pair_rows(PERCEPTUAL[network.name], network, pairwise, images, real, kept)
    if artefacts and images.shape[1] >= SMALLEST_SIDE:
        rows += _artefact_rows(images, real, protocol, kept)
    return rows


def _artefact_rows(generated: Images, real: RealSets, protocol: Protocol, cache: Cache) -> list[MetricValue]:
    def traces(images: Images) -> Values:
        return cache.array("artefacts", f"version {TRACES_VERSION}", [images], lambda: image_traces(images))

    return measure_artefacts(
        traces(generated), traces(real.images),
        protocol=protocol, real_groups=real.groups, beside=_beside(traces, real),
    )  # fmt: skip


def enough_for_neighbours(generated: int, real: int, groups: Sequence[str] | None, protocol: Protocol) -> bool:
    n = protocol.n or equal_n(generated, real, groups)
    return n >= METRICS["precision"].minimum_n and n > protocol.k


def _set_rows(
    network: Extractor, generated: Images, real: RealSets, neighbours: bool, protocol: Protocol, cache: Cache
) -> list[MetricValue]:
    """Of vectors: distances in pooled features, and the inception score where there are class probabilities."""
    name = Network(network.name, network.digest)
    rows: list[MetricValue] = []
    if "pooled" in network.gives:
        of = _vectors(network, "pooled", network.pooled, cache)
        rows += measure_sets(
            of(generated), of(real.images), network=name, protocol=protocol, real_groups=real.groups,
            neighbours=neighbours, beside=_beside(of, real),
        )  # fmt: skip
    if "probabilities" in network.gives:
        of = _vectors(network, "probabilities", network.probabilities, cache)
        rows += measure_inception_score(
            of(generated), of(real.images), network=name, protocol=protocol, real_groups=real.groups,
            beside=_beside(of, real),
        )  # fmt: skip
    return rows


def _vectors(
    network: Extractor, what: str, compute: Callable[[Images], Values], cache: Cache
) -> Callable[[Images], Values]:
    return lambda images: cache.array(what, network.cache_key, [images], lambda: compute(images))


def _beside(of: Callable[[Images], Values], real: RealSets) -> Beside:
    return Beside(
        through=None if real.through is None else of(real.through),
        training=None if real.training is None else of(real.training),
        training_groups=real.training_groups,
    )


def _pair_rows(
    metric: str, network: Extractor | None, pairwise: Pairwise, generated: Images, real: RealSets, cache: Cache
) -> list[MetricValue]:
    digest = "" if network is None else network.cache_key

    def to_real(images: Images | None) -> Values | None:
        if images is None:
            return None
        return cache.array(metric, digest, [images, real.images], lambda: pairwise(images, real.images))

    of_generated, among_real = to_real(generated), to_real(real.images)
    assert of_generated is not None
    assert among_real is not None
    return measure_pairs(
        metric,
        of_generated,
        among_real,
        network=None if network is None else Network(network.name, network.digest),
        real_groups=real.groups,
        through_to_real=to_real(real.through),
        training_to_real=to_real(real.training),
    )


def perceptual_between(network: Extractor) -> Pairwise:
    """[N, M] perceptual distances of images. The right side is held as vectors, the left goes by in batches.

    Memory does not grow with N, and with M only up to EMBEDDING_BYTES: beyond, the left side goes by again.
    """

    def vectors(images: Images) -> NDArray[np.float32]:
        """Of as many images as one batch has: a network's activations take several times their size."""
        return embed(network.layers(images), network.layer_weights).astype(np.float32, copy=False)

    def held_vectors(images: Images, width: int) -> NDArray[np.float32]:
        rows = np.empty((len(images), width), np.float32)
        for i in range(0, len(images), network.batch):
            rows[i : i + network.batch] = vectors(images[i : i + network.batch])
        return rows

    def between(left: Images, right: Images) -> Values:
        result = np.empty((len(left), len(right)))
        width = vectors(right[:1]).shape[1]
        held = max(1, EMBEDDING_BYTES // (4 * width))
        for j in range(0, len(right), held):
            columns = held_vectors(right[j : j + held], width)
            for i in range(0, len(left), network.batch):
                known = left is right and held >= len(right)
                rows = columns[i : i + network.batch] if known else vectors(left[i : i + network.batch])
                result[i : i + network.batch, j : j + held] = pairwise_squared_distances(rows, columns)
        return result

    return between


def ssim_between_sets(left: Images, right: Images) -> Values:
    """In blocks of the left side, so that floats of 10,000 images need not be held at once.

    In single precision: half the time of double, and a pair is within 1e-4 of it.
    """
    real = right.astype(np.float32) / 255
    if left is right:
        return pairwise_ssim(real, real, dtype=np.float32)
    blocks = (left[i : i + 64].astype(np.float32) / 255 for i in range(0, len(left), 64))
    return np.concatenate([pairwise_ssim(block, real, dtype=np.float32) for block in blocks])


def make_metrics_record(
    rows: list[MetricValue], *, generated: str, real: str, label: str, networks: Sequence[Extractor]
) -> dict[str, Any]:
    """Return the content of metrics.json."""
    return {
        "generated": generated,
        "real": real,
        "label": label,
        "networks": [{"name": one.name, "digest": one.digest, "input": one.input} for one in networks],
        "rows": [row.to_json() for row in rows],
    }
