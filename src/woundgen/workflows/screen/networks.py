"""Feature networks of screening: chosen by the settings and by what was fetched, and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.copies.scene import describe_scene
from woundgen.errors import UserError
from woundgen.features import dinov2, lpips
from woundgen.features.embedded import NAME as EMBEDDED
from woundgen.features.extractor import Extractor
from woundgen.features.load import load_extractor
from woundgen.features.store import is_fetched, weights_home
from woundgen.screening.descriptors import Descriptors, UsedNetworks
from woundgen.similarity.perceptual import embed

# LPIPS' authors evaluate with AlexNet and train with VGG (richzhang/PerceptualSimilarity, README).
PERCEPTUAL_ORDER = ("lpips-alex", "lpips-vgg")
EMBEDDING_ORDER = dinov2.NAMES
MOST_BYTES = 6 << 30
"""Of perceptual vectors of a set of images and their mirror images, which are held in memory."""

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ScreenNetworks:
    """perceptual: its layers give perceptual distances. embedding: its pooled features give feature distances."""

    perceptual: Extractor
    embedding: Extractor

    @property
    def used(self) -> UsedNetworks:
        return UsedNetworks(*(f"{network.name} {network.digest[:16]}" for network in (self.perceptual, self.embedding)))


def choose_networks(quality: QualityConfig) -> ScreenNetworks:
    """Load the networks that the settings name; `auto` takes the first that was fetched, else what ships.

    UserError for a network that is named and was not fetched.
    """
    perceptual = _resolve(quality.perceptual_network, PERCEPTUAL_ORDER)
    embedding = _resolve(quality.embedding_network, EMBEDDING_ORDER)
    loaded = {name: load_extractor(name) for name in dict.fromkeys((perceptual, embedding))}
    return ScreenNetworks(loaded[perceptual], loaded[embedding])


def shipped_networks() -> ScreenNetworks:
    """Load the embedded network in both roles."""
    network = load_extractor(EMBEDDED)
    return ScreenNetworks(network, network)


def _resolve(asked: str, order: Sequence[str]) -> str:
    if asked != "auto":
        return asked
    return next((name for name in order if is_fetched(name, home=weights_home())), EMBEDDED)


def is_lpips(used: UsedNetworks) -> bool:
    """Whether perceptual distances are LPIPS, which the approved rule's 0.30 is of."""
    return used.perceptual.startswith(lpips.NAMES)


def describe(images: Images, networks: ScreenNetworks) -> Descriptors:
    """Return pixels, scenes, and both kinds of features of uint8 [N, H, W, 3] and of their mirror images."""
    straight, mirrored = (_features(some, networks) for some in (images, images[:, :, ::-1]))
    return Descriptors(
        images=images.astype(np.float32) / 255,
        pooled=straight[0],
        pooled_mirrored=mirrored[0],
        scenes=tuple(describe_scene(image) for image in images),
        perceptual=straight[1],
        perceptual_mirrored=mirrored[1],
        networks=networks.used,
    )


def _features(images: Images, networks: ScreenNetworks) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(pooled [N, d], perceptual vectors [N, D]); a single pass where both roles share a network."""
    pooled, vectors = [], []
    perceptual = networks.perceptual
    both = perceptual is networks.embedding
    for outputs in perceptual.outputs(images):
        layers = [layer.cpu().numpy() for layer in outputs.layers]
        vectors.append(embed(layers, perceptual.layer_weights).astype(np.float32))
        _check_memory(vectors[0], len(images), perceptual.name)
        if both and outputs.pooled is not None:
            pooled.append(outputs.pooled.cpu().double().numpy())
    features = np.concatenate(pooled) if both else networks.embedding.pooled(images)
    return features, np.concatenate(vectors)


def _check_memory(vectors: NDArray[np.float32], count: int, name: str) -> None:
    needed = 2 * count * vectors.shape[1] * vectors.itemsize
    if needed > MOST_BYTES:
        raise UserError(
            f"Screening {count} photographs of this size in {name} holds {needed >> 30} GiB of vectors in memory "
            f"(at most {MOST_BYTES >> 30}).",
            "Set perceptual_network to lpips-alex or embedded, or lower --size.",
        )
