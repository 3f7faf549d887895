"""Describe a set of images for screening, and find those that show the same picture twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.scene import Scene
from woundgen.data.pixels.near_duplicates import near_duplicate_groups, thumbnail
from woundgen.errors import UserError

Array = npt.NDArray[np.floating]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class UsedNetworks:
    """Name and digest of the feature network of each kind of distance, "lpips-alex 0123456789abcdef"; "" for none."""

    perceptual: str = ""
    embedding: str = ""

    def statement(self) -> str:
        """Return a sentence for people."""
        return f"perceptual distance: {self.perceptual or 'none'}; feature distance: {self.embedding or 'none'}"


NO_NETWORKS = UsedNetworks()


def check_networks(left: UsedNetworks, right: UsedNetworks, *, of: str) -> None:
    """UserError where distances were taken in different networks: neither they nor thresholds of them compare."""
    if left != right:
        raise UserError(
            f"{of} were taken in other feature networks ({left.statement()}, against {right.statement()}).",
            "Run woundgen calibrate again with the same --thresholds and the same fetched networks.",
        )


@dataclass(frozen=True, slots=True)
class Descriptors:
    """N images and their features; `mirrored` are the features of the images flipped left to right.

    images [N, H, W, 3] in 0..1. pooled [N, d] of a feature network, scaled so that Euclidean distance means
    something. perceptual [N, D]: vectors whose squared distance is the perceptual distance
    (similarity.perceptual), or None: then no statistic of it is taken. scenes: N, for copy detection.
    networks: those that the features are of.
    """

    images: Array
    pooled: Array
    pooled_mirrored: Array
    scenes: tuple[Scene, ...]
    perceptual: Array | None = None
    perceptual_mirrored: Array | None = None
    networks: UsedNetworks = NO_NETWORKS

    def __post_init__(self) -> None:
        assert (self.perceptual is None) == (self.perceptual_mirrored is None), "both, or neither"
        parts = (self.pooled, self.pooled_mirrored, self.scenes, self.perceptual, self.perceptual_mirrored)
        assert all(part is None or len(part) == len(self.images) for part in parts), "one row an image"
        assert np.isfinite(self.pooled).all(), "features must be finite"

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Rows | slice) -> Descriptors:
        return Descriptors(
            images=self.images[rows],
            pooled=self.pooled[rows],
            pooled_mirrored=self.pooled_mirrored[rows],
            scenes=tuple(self.scenes[row] for row in np.arange(len(self))[rows]),
            perceptual=None if self.perceptual is None else self.perceptual[rows],
            perceptual_mirrored=None if self.perceptual_mirrored is None else self.perceptual_mirrored[rows],
            networks=self.networks,
        )


def distinct_rows(images: Array) -> Rows:
    """Rows of [N, H, W, 3] in 0..1 to keep, ascending: the first of each cluster of near duplicates.

    One picture twice makes "as near as two photographs come" mean identical, and no copy is found any more.
    """
    small = np.stack([thumbnail(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)) for image in images])
    return np.unique(near_duplicate_groups(small), return_index=True)[1]
