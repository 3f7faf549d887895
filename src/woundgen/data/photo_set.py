"""From a folder of photographs to prepared pixels with sides of the split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.config.load import stored_config
from woundgen.config.train import TrainConfig
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.data.pixels.prepare import describe_preparation, prepare_all
from woundgen.data.splits.split import CLUSTER, split_photos
from woundgen.errors import UserError
from woundgen.records import Photo, Preparation
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON, prepared_folder

FEWEST_PATIENTS = 8


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """photos[i] was prepared as images[i], uint8 [N, R, R, 3]. digest: of pixels, phases and sides."""

    photos: list[Photo]
    images: NDArray[np.uint8]
    digest: str
    preparation: Preparation

    def rows(self, side: str) -> list[int]:
        return [row for row, photo in enumerate(self.photos) if photo.split == side]

    def groups(self, rows: Sequence[int]) -> list[str]:
        return [self.photos[row].group or "" for row in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        """Photographs by phase and side."""
        table: dict[str, dict[str, int]] = {}
        for photo in self.photos:
            sides = table.setdefault(photo.phase, {"train": 0, "validation": 0, "holdout": 0})
            sides[photo.split or "train"] += 1
        return table

    @property
    def grouping(self) -> str:
        """Name the grouping of the split: patients, clusters of near duplicates, or both."""
        return grouping_of(self.photos)


def count_groups(count: int, grouping: str) -> str:
    """Name a number of groups after what they are: only named patients are called patients."""
    if grouping == "patients":
        return f"{count} patients"
    unknown = "patients unknown" if grouping == "near-duplicate clusters" else "some patients unknown"
    return f"{count} clusters of near duplicates ({unknown})"


def grouping_of(photos: Sequence[Photo]) -> str:
    """Return the kind of thing that stands for a patient in these groups."""
    known = {not (photo.group or CLUSTER).startswith(CLUSTER) for photo in photos}
    if known == {True}:
        return "patients"
    return "patients, and near-duplicate clusters where none is named" if any(known) else "near-duplicate clusters"


def gather(
    root: Path,
    *,
    phases: Sequence[str],
    resolution: int,
    margin: float,
    train_share: float,
    seed: int,
    fold: tuple[int, int] | None = None,
) -> PhotoSet:
    """Find, split and prepare. The folder is only read; every problem of it is a UserError.

    fold: (k, K) holds out the patients of the k-th of K folds.
    """
    roots = [photograph_root(root)]
    photos = split_photos(_found(root, phases=phases, fold=fold), train_share=train_share, seed=seed, roots=roots)
    cache = _cache_if_it_can_be()
    images = prepare_all(photos, resolution=resolution, margin=margin, roots=roots, cache_dir=cache)
    preparation = describe_preparation(photos, resolution=resolution, margin=margin, roots=roots)
    return PhotoSet(photos=photos, images=images, digest=digest_of(photos, images), preparation=preparation)


def _found(root: Path, *, phases: Sequence[str], fold: tuple[int, int] | None) -> list[Photo]:
    if fold is None:
        return find_photos(root, phases=phases)
    from woundgen.data.folds import without_fold  # scikit-learn, a second, for those who ask for folds

    return without_fold(root, phases=phases, fold=fold[0], folds=fold[1])


def _cache_if_it_can_be() -> Path | None:
    """A home that cannot be written to makes preparing slower, not impossible."""
    try:
        return PixelCache.open(prepared_folder()).folder
    except UserError:
        return None


def gather_for(config: TrainConfig, root: Path) -> PhotoSet:
    """As a run with this config prepares and splits them."""
    return gather(
        root,
        phases=config.photographs.phases,
        resolution=config.model.resolution,
        margin=config.photographs.box_margin,
        train_share=config.photographs.train_share,
        seed=config.seed,
        fold=None
        if config.photographs.fold is None or config.photographs.folds is None
        else (config.photographs.fold, config.photographs.folds),
    )


def as_trained_on(config: TrainConfig, root: Path, photos: PhotoSet) -> PhotoSet:
    """The same photographs at the size that is trained, where that is not the size asked for."""
    if config.trained_side == config.model.resolution:
        return photos
    larger = gather_for(config.with_values(resolution=config.trained_side), root)
    assert [photo.split for photo in larger.photos] == [photo.split for photo in photos.photos], "one split"
    return larger


def phase_groups(phases: Sequence[str]) -> tuple[tuple[int, ...], ...] | None:
    """Rows of each phase, so that each is seen equally often; None for a single phase."""
    names = sorted(set(phases))
    if len(names) < 2:
        return None
    return tuple(tuple(row for row, phase in enumerate(phases) if phase == name) for name in names)


def photographs_of(run: Path) -> PhotoSet:
    """The photographs of a stored run, prepared and split again; UserError where they have changed."""
    record = read_json(run / RUN_JSON)
    photos = gather_for(stored_config(record["config"]), Path(record["data"]["folder"]))
    if photos.digest != record["data"]["digest"]:
        raise UserError(f"The photographs of {run} have changed since it was trained.", "Restore them.")
    return photos


def patients(photos: Sequence[Photo]) -> list[str] | None:
    """Patients where every photograph names one and they are enough to be halved."""
    groups = [photo.group for photo in photos]
    known = [group for group in groups if group is not None]
    return known if len(known) == len(groups) and len(set(known)) >= FEWEST_PATIENTS else None


def digest_of(photos: Sequence[Photo], images: NDArray[np.uint8]) -> str:
    """Over what training depends on: pixels, phase and side of each photograph, in order."""
    state = hashlib.sha256()
    for photo, image in zip(photos, images, strict=True):
        state.update(f"{photo.phase}/{photo.split}/".encode())
        state.update(image.tobytes())
    return state.hexdigest()
