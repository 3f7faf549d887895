"""Sides of the photographs of several runs: each photograph once, where it was most exposed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from woundgen.data.photo_set import PhotoSet, digest_of
from woundgen.metrics.checks import check_preparations
from woundgen.records import Photo, Split

EXPOSURE: tuple[Split, ...] = ("train", "validation", "holdout")  # from most to least


@dataclass(frozen=True, slots=True)
class Sides:
    """Rows of the photographs. trained: on which any run was trained. others: of patients that no run was trained on.

    sealed: those of `others` that no choice has looked at.
    """

    trained: list[int]
    others: list[int]
    sealed: list[int]


def unite_photographs(parts: Sequence[PhotoSet]) -> PhotoSet:
    """One set of all photographs of all parts, each once and on the side of EXPOSURE where it was most exposed.

    Photographs are the same where their prepared pixels are.
    """
    if len(parts) == 1:
        return parts[0]
    check_preparations({f"photographs of run {number}": part.preparation for number, part in enumerate(parts, 1)})
    sides: dict[str, Split] = {}
    chosen: dict[str, tuple[Photo, NDArray[np.uint8]]] = {}
    for part in parts:
        for photo, image in zip(part.photos, part.images, strict=True):
            key = hashlib.sha256(image.tobytes()).hexdigest()
            sides[key] = min(sides.get(key, EXPOSURE[-1]), photo.split or EXPOSURE[0], key=EXPOSURE.index)
            chosen.setdefault(key, (photo, image))
    photos = [replace(photo, split=sides[key]) for key, (photo, _) in chosen.items()]
    images = np.stack([image for _, image in chosen.values()])
    return PhotoSet(photos, images, digest_of(photos, images), parts[0].preparation)


def find_sides(photos: PhotoSet) -> Sides:
    """Divide the rows by side. A patient of whom another photograph was trained on is in neither list of others."""
    trained = photos.rows("train")
    exposed = {photos.photos[row].group for row in trained} - {None, ""}
    chosen_by = {photos.photos[row].group for row in photos.rows("validation")} - {None, ""}
    validation, holdout = (
        [row for row in photos.rows(side) if photos.photos[row].group not in exposed]
        for side in ("validation", "holdout")
    )
    sealed = [row for row in holdout if photos.photos[row].group not in chosen_by]
    return Sides(trained, validation + holdout, sealed)
