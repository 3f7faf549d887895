"""Which images are copies of photographs trained on, for sets of photographs of any number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from woundgen.copies.ceiling import SAME_SCENE, estimate_ceiling
from woundgen.copies.layout import UNSUPPORTED, LayoutCeiling, estimate_layout_ceiling
from woundgen.copies.scene import Scene
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

    layout: the same of the correlation of layouts. rule: the ceilings in words, or why there is none.
    """

    scenes: ReferenceScenes
    ceiling: int | None
    layout: LayoutCeiling
    rule: str

    def find_copies(self, images: Sequence[Scene]) -> NDArray[np.bool_]:
        """Return which of N images are copies; none where there is no ceiling."""
        if self.ceiling is None:
            return np.zeros(len(images), bool)
        matches = match_images(images, self.scenes)
        return np.asarray((matches.places > self.ceiling) | (matches.layout > self.layout.value))


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
    scenes = prepare_scenes([photographs.scenes[row] for row in rows])
    codes = group_codes(groups, len(photographs))[rows]
    others = len(rows) - int(np.bincount(codes).max())
    if len(rows) < FEWEST or others < FEWEST_OTHERS:
        rule = (
            f"agreement in {SAME_SCENE} places or more, since {len(rows)} photographs, {others} of them of other "
            f"patients than the most frequent one, are too few for a ceiling; {UNSUPPORTED.statement()}"
        )
        return CopySearch(scenes, SAME_SCENE - 1, UNSUPPORTED, rule)
    shared = match_references(scenes, codes)
    ceiling = estimate_ceiling(shared.matches.places, level=level, pairs=shared.pairs, crowded=shared.crowded)
    layout = estimate_layout_ceiling(shared.matches.layout)
    rule = f"{ceiling.statement()}; {layout.statement()}"
    return CopySearch(scenes, ceiling.value if ceiling.is_supported else None, layout, rule)


def count_copies(search: CopySearch, images: Sequence[Scene]) -> Work[CopyCount]:
    """Count the copies among the images of a set."""
    if search.ceiling is None:
        return CopyCount(None, 1.0, search.rule)
    count = 0
    for first in range(0, len(images), BLOCK):
        count += int(search.find_copies(images[first : first + BLOCK]).sum())
        yield Progress(min(first + BLOCK, len(images)), len(images), "looking for copies")
    return CopyCount(count, upper_bound(count, len(images)), search.rule)
