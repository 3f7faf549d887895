"""The best match of each image among many references, and which references show the same scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.copies.candidates import ReferenceIndex, build_index, count_votes
from woundgen.copies.ceiling import CROWDED, SAME_SCENE
from woundgen.copies.keypoints import Keypoints
from woundgen.copies.verify import verify_copy

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

VERIFIED = 8
"""References that each image is verified against: those with most votes."""
CERTAIN = 3 * SAME_SCENE
"""Places from which no further reference is verified: the image is a copy, whatever else it may look like."""


@dataclass(frozen=True, slots=True)
class ReferenceScenes:
    """M references ready to be searched."""

    keypoints: tuple[Keypoints, ...]
    index: ReferenceIndex

    def __len__(self) -> int:
        return len(self.keypoints)


@dataclass(frozen=True, slots=True)
class Matches:
    """Of N images. places [N]: most places that agree with one reference. nearest [N]: its row."""

    places: Rows
    nearest: Rows


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


def prepare_scenes(keypoints: Sequence[Keypoints]) -> ReferenceScenes:
    """Index references, given as their keypoints."""
    return ReferenceScenes(tuple(keypoints), build_index(keypoints))


def match_images(images: Sequence[Keypoints], scenes: ReferenceScenes) -> Matches:
    """Verify each image against the VERIFIED references with most votes, in their order, up to a CERTAIN one."""
    every = np.ones(len(scenes), bool)
    found = [_verify_candidates(image, scenes, every, enough=CERTAIN) for image in images]
    return Matches(
        np.array([max(places, default=0) for _, places in found], np.intp),
        np.array([rows[int(np.argmax(places))] for rows, places in found], np.intp),
    )


def match_references(scenes: ReferenceScenes, codes: Rows) -> SharedScenes:
    """Match each reference with those of other groups, codes [M]; pairs from SAME_SCENE places on are one scene.

    A pair counts by itself: that A matches B and B matches C says nothing of A and C.
    """
    count = len(scenes)
    places = np.zeros((count, count), np.intp)
    for row, image in enumerate(scenes.keypoints):
        rows, found = _verify_candidates(image, scenes, codes != codes[row])
        places[row, rows] = found
    same = places >= SAME_SCENE
    same |= same.T
    others = np.where(same, 0, np.maximum(places, places.T))
    return SharedScenes(Matches(others.max(axis=1), others.argmax(axis=1)), same)


def _verify_candidates(
    image: Keypoints, scenes: ReferenceScenes, allowed: Mask, *, enough: int | None = None
) -> tuple[Rows, list[int]]:
    """(rows of the references verified among those allowed [M], agreeing places of each); ends at `enough` places."""
    votes = np.where(allowed, count_votes(image, scenes.index), -1.0)
    rows = np.argsort(-votes, kind="stable")[: min(VERIFIED, int(allowed.sum()))]
    places: list[int] = []
    for row in rows:
        places.append(verify_copy(image, scenes.keypoints[row]).score)
        if enough is not None and places[-1] >= enough:
            break
    return rows[: len(places)], places
