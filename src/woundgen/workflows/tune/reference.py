"""The photographs of a study as its units measure against them: features, patients, copies. Made once a process."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig
from woundgen.copies.ceiling import CopyCeiling, estimate_ceiling
from woundgen.copies.scene import describe_scene
from woundgen.copies.search import ReferenceScenes, match_images, match_references, prepare_scenes
from woundgen.data.photo_set import PhotoSet
from woundgen.errors import UserError
from woundgen.features.extractor import Extractor
from woundgen.metrics.measure import load_extractors
from woundgen.similarity.groups import group_codes

Images = NDArray[np.uint8]
FEWEST_FOR_COPIES = 20  # training photographs: below, no ceiling of chance agreement can be estimated


@dataclass(frozen=True, slots=True)
class ReferenceSide:
    """Photographs of a side, at most as many as images are drawn. phases: of each, in the order of `images`."""

    images: Images
    groups: list[str]
    phases: list[str]


@dataclass(slots=True)
class StudyReferences:
    """photos: of the division. network: gives pooled features. features: of photographs, by side and count."""

    photos: PhotoSet
    network: Extractor
    features: dict[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict)
    scenes: ReferenceScenes | None = None

    def side(self, name: str, count: int) -> ReferenceSide:
        """Return `count` photographs of a side, or all where they are fewer: the same ones whenever asked."""
        rows = self.photos.rows(name)
        chosen = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:count]]
        chosen.sort(key=lambda row: (self.photos.photos[row].phase, row))
        return ReferenceSide(
            self.photos.images[chosen], self.photos.groups(chosen), [self.photos.photos[row].phase for row in chosen]
        )

    def side_features(self, name: str, count: int) -> NDArray[np.float64]:
        """Return the pooled features [n, d] of those photographs."""
        if (name, count) not in self.features:
            self.features[name, count] = self.network.pooled(self.side(name, count).images)
        return self.features[name, count]

    def count_copies(self, images: Images, *, ceiling: int) -> int:
        """Return how many images agree with a training photograph in more places than `ceiling`."""
        matches = match_images([describe_scene(image) for image in images], self.training_scenes())
        return int((matches.places > ceiling).sum())

    def training_scenes(self) -> ReferenceScenes:
        """Return the training photographs, ready to be searched for copies."""
        if self.scenes is None:
            rows = self.photos.rows("train")
            self.scenes = prepare_scenes([describe_scene(self.photos.images[row]) for row in rows])
        return self.scenes

    def copy_ceiling(self) -> CopyCeiling | None:
        """Estimate in how many places photographs of different patients agree by chance; None where none can be."""
        rows = self.photos.rows("train")
        codes = group_codes(self.photos.groups(rows), len(rows))
        if len(rows) < FEWEST_FOR_COPIES or codes.max() < 2:
            return None
        shared = match_references(self.training_scenes(), codes)
        ceiling = estimate_ceiling(
            shared.matches.places, level=QualityConfig().copy_quantile, pairs=shared.pairs, crowded=shared.crowded
        )
        return ceiling if ceiling.is_supported else None


def open_references(config: TrainConfig, photos: PhotoSet) -> StudyReferences:
    """Load the feature network of the objective: the first of `features` that gives pooled features."""
    for network in load_extractors(config.evaluation.feature_networks, device=config.compute.device):
        if "pooled" in network.gives:
            return StudyReferences(photos, network)
    raise UserError(
        f"features: {', '.join(config.evaluation.feature_networks)} give no KID or FD.", "Add embedded or dinov2-small."
    )
