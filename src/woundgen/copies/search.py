"""The best match of each image among many references, and which references show the same scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.candidates import ReferenceIndex, build_index, count_votes
from woundgen.copies.ceiling import CROWDED, SAME_SCENE
from woundgen.copies.keypoints import Keypoints, mirror_keypoints
from woundgen.copies.layout import Matrix, correlate_layouts, stack_layouts
from woundgen.copies.scene import Scene
from woundgen.copies.verify import verify_copy

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

VERIFIED = 8
"""References that each image is verified against: those with most votes."""
VERIFIED_AMONG_REFERENCES = 32
"""The same of references against one another, where VERIFIED of them that do not match end the search before."""
CERTAIN = 3 * SAME_SCENE
"""Places from which no further reference is verified: the image is a copy, whatever else it may look like."""


@dataclass(frozen=True, slots=True)
class ReferenceScenes:
    """M references ready to be searched. layouts [M, D]."""

    keypoints: tuple[Keypoints, ...]
    index: ReferenceIndex
    layouts: Matrix

    def __len__(self) -> int:
        return len(self.keypoints)


@dataclass(frozen=True, slots=True)
class Matches:
    """Of N images. places [N]: most places that agree with a reference. nearest [N]: its row.

    layout [N]: highest correlation with the layout of a reference. nearest_layout [N]: its row.
    """

    places: Rows
    nearest: Rows
    layout: npt.NDArray[np.float64]
    nearest_layout: Rows


@dataclass(frozen=True, slots=True)
class SharedScenes:
    """Of M references against each other. matches: with references of other groups and other scenes.

    same bool [M, M]: pairs of different groups that show one scene, each verified by itself.
    """

    matches: Matches
    same: Mask

    @property
    def pairs(self) -> int:
        return int(np.triu(self.same).sum())

    @property
    def crowded(self) -> float:
        """Share of the references that match CROWDED or more others."""
        return float((self.same.sum(axis=1) >= CROWDED).mean())


def prepare_scenes(references: Sequence[Scene]) -> ReferenceScenes:
    """Index references."""
    keypoints = tuple(reference.keypoints for reference in references)
    layouts = stack_layouts([reference.layout for reference in references])
    return ReferenceScenes(keypoints, build_index(keypoints), layouts)


def match_images(images: Sequence[Scene], scenes: ReferenceScenes) -> Matches:
    """Compare each image with all references.

    Layouts are correlated with all of them; places are verified with the VERIFIED references with most votes, in
    their order, up to a CERTAIN one.
    """
    every = np.ones(len(scenes), bool)
    found = [_verify_candidates(image.keypoints, scenes, every) for image in images]
    correlations = correlate_layouts(stack_layouts([image.layout for image in images]), scenes.layouts)
    return Matches(
        np.array([max(places, default=0) for _, places in found], np.intp),
        np.array([rows[int(np.argmax(places))] for rows, places in found], np.intp),
        correlations.max(axis=1).astype(np.float64),
        correlations.argmax(axis=1),
    )


def match_references(scenes: ReferenceScenes, codes: Rows) -> SharedScenes:
    """Match each reference with those of other groups, codes [M]; pairs from SAME_SCENE places on are the same scene.

    A pair counts by itself: that A matches B and B matches C says nothing of A and C. Of a scene with many photographs
    all are met: the search goes on until VERIFIED references do not match.
    """
    count = len(scenes)
    places = np.zeros((count, count), np.intp)
    for row, image in enumerate(scenes.keypoints):
        rows, found = _verify_scenes(image, scenes, codes != codes[row])
        places[row, rows] = found
    same = places >= SAME_SCENE
    same |= same.T
    others = np.where(same, 0, np.maximum(places, places.T))
    apart = ~same & (codes[:, None] != codes)
    alike = np.where(apart, correlate_layouts(scenes.layouts, scenes.layouts), -1.0)
    matches = Matches(others.max(axis=1), others.argmax(axis=1), alike.max(axis=1), alike.argmax(axis=1))
    return SharedScenes(matches, same)


def _verify_candidates(image: Keypoints, scenes: ReferenceScenes, allowed: Mask) -> tuple[Rows, list[int]]:
    """(rows of the references verified among those allowed [M], agreeing places of each); ends at CERTAIN places."""
    rows = _rank_candidates(image, scenes, allowed)[:VERIFIED]
    mirror_image = mirror_keypoints(image)
    places: list[int] = []
    for row in rows:
        places.append(verify_copy(image, scenes.keypoints[row], mirror_image=mirror_image).score)
        if places[-1] >= CERTAIN:
            break
    return rows[: len(places)], places


def _verify_scenes(image: Keypoints, scenes: ReferenceScenes, allowed: Mask) -> tuple[Rows, list[int]]:
    """The same, until VERIFIED references show another scene, or VERIFIED_AMONG_REFERENCES were verified."""
    rows = _rank_candidates(image, scenes, allowed)[:VERIFIED_AMONG_REFERENCES]
    mirror_image = mirror_keypoints(image)
    places: list[int] = []
    strangers = 0
    for row in rows:
        places.append(verify_copy(image, scenes.keypoints[row], mirror_image=mirror_image).score)
        strangers += places[-1] < SAME_SCENE
        if strangers == VERIFIED:
            break
    return rows[: len(places)], places


def _rank_candidates(image: Keypoints, scenes: ReferenceScenes, allowed: Mask) -> Rows:
    """Rows of the references allowed [M], most votes first."""
    votes = np.where(allowed, count_votes(image, scenes.index), -1.0)
    return np.argsort(-votes, kind="stable")[: int(allowed.sum())]
