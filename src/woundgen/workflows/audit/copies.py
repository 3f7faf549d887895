"""Which images are copies of photographs trained on, for sets of photographs of any number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from woundgen.copies.ceiling import SAME_SCENE, estimate_ceiling
from woundgen.copies.keypoints import Keypoints
from woundgen.copies.search import ReferenceScenes, match_images, match_references, prepare_scenes
from woundgen.events import Progress, Work
from woundgen.privacy.counts import upper_bound
from woundgen.screening.descriptors import Descriptors, distinct_rows
from woundgen.screening.reference_statistics import FEWEST, FEWEST_OTHERS
from woundgen.similarity.groups import group_codes

BLOCK = 32


@dataclass(frozen=True, slots=True)
class CopySearch:
    """scenes: the photographs trained on. ceiling: places above which an image is a copy; None: none can be had.

    rule: the ceiling in words, or why there is none.
    """

    scenes: ReferenceScenes
    ceiling: int | None
    rule: str

    def find_copies(self, images: Sequence[Keypoints]) -> NDArray[np.bool_]:
        """Return which of N images are copies; none where there is no ceiling."""
        if self.ceiling is None:
            return np.zeros(len(images), bool)
        return match_images(images, self.scenes).places > self.ceiling


@dataclass(frozen=True, slots=True)
class CopyCount:
    """count: images called copies; None where there is no ceiling. bound: one-sided 95 % upper bound of the rate."""

    count: int | None
    bound: float
    rule: str


def prepare_search(photographs: Descriptors, groups: Sequence[str], *, level: float) -> CopySearch:
    """Prepare a search among the photographs trained on, at the ceiling that they support.

    Fewer than 10 photographs, or 5 of other patients, support no ceiling: then SAME_SCENE places decide, from
    which two photographs count as a single scene. Photographs that share a ruler or a label support none at all.
    """
    rows = distinct_rows(photographs.images)
    scenes = prepare_scenes([photographs.keypoints[row] for row in rows])
    codes = group_codes(groups, len(photographs))[rows]
    others = len(rows) - int(np.bincount(codes).max())
    if len(rows) < FEWEST or others < FEWEST_OTHERS:
        rule = (
            f"agreement in {SAME_SCENE} places or more, since {len(rows)} photographs, {others} of them of other "
            "patients than the most frequent one, are too few for a ceiling"
        )
        return CopySearch(scenes, SAME_SCENE - 1, rule)
    shared = match_references(scenes, codes)
    ceiling = estimate_ceiling(shared.matches.places, level=level, pairs=shared.pairs, crowded=shared.crowded)
    return CopySearch(scenes, ceiling.value if ceiling.is_supported else None, ceiling.statement())


def count_copies(search: CopySearch, images: Sequence[Keypoints]) -> Work[CopyCount]:
    """Count the copies among the images of a set."""
    if search.ceiling is None:
        return CopyCount(None, 1.0, search.rule)
    count = 0
    for first in range(0, len(images), BLOCK):
        count += int(search.find_copies(images[first : first + BLOCK]).sum())
        yield Progress(min(first + BLOCK, len(images)), len(images), "looking for copies")
    return CopyCount(count, upper_bound(count, len(images)), search.rule)
