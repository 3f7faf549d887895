"""Which photographs images are held against: all that anything drawn from was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from woundgen.config.load import stored_config
from woundgen.data.photo_set import PhotoSet, digest_of, gather, gather_for
from woundgen.data.pixels.prepare import MARGIN
from woundgen.errors import UserError
from woundgen.events import Info, Warn, Work
from woundgen.metrics.checks import check_preparations
from woundgen.records import PHASES, Photo
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON

TRAIN_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of images. runs: of the adapters and the guide. lone: phases of those that lie in no run."""

    runs: tuple[Path, ...] = ()
    lone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReferencePhotographs:
    """photos: those of side `train` are the references. is_complete: whether all that was trained on is among them."""

    photos: PhotoSet
    is_complete: bool


def gather_references(
    real: Path, origins: Origins, *, label: str, size: int, margin: float = MARGIN
) -> Work[ReferencePhotographs]:
    """Gather the photographs below `real` and mark as `train` all that any of the runs was trained on.

    A photograph is held out only if no run was trained on it. Of an adapter without its run nobody knows what it was
    trained on: then all photographs of its phases and the label's are references, and none of them is held out.
    A base model alone was trained on none of them: they are divided anew. margin: around boxes, where no run says.
    """
    parts: list[PhotoSet] = []
    complete = True
    for run in dict.fromkeys(origins.runs):
        photos, matches = _gather_run(real, run, size=size)
        parts.append(photos)
        complete &= matches
    if origins.lone or not parts:
        phases = list(dict.fromkeys(name for names in (label, *origins.lone) for name in names.split(",")))
        if unknown := [phase for phase in phases if phase not in PHASES]:
            raise UserError(f"The label {unknown[0]!r} is no phase of the photographs.", "Give --label I, P or R.")
        whole = gather(real, phases=phases, resolution=size, margin=margin, train_share=TRAIN_SHARE, seed=0)
        if origins.lone:
            yield Info(
                "an adapter lies in no run that says what it was trained on: images are held against all photographs"
            )
            whole = _all_trained_on(whole)
        else:
            yield Info("a base model alone: the photographs are divided anew, to measure what is accepted of real ones")
        parts.append(whole)
    if not complete:
        yield Warn(
            f"{real} does not hold just the photographs that were trained on; copies of others are not "
            "found, and the set's card says so"
        )
    return ReferencePhotographs(unite_references(parts), complete)


def unite_references(parts: Sequence[PhotoSet]) -> PhotoSet:
    """One set of the photographs of all parts: `train` where any part says so, otherwise as the first part says.

    Photographs of later parts are added only if they were trained on there.
    """
    first, *others = parts
    check_preparations({f"photographs of run {number}": part.preparation for number, part in enumerate(parts, 1)})
    trained = {_key(photo) for part in parts for photo in part.photos if photo.split == "train"}
    photos = [replace(photo, split="train") if _key(photo) in trained else photo for photo in first.photos]
    images = [first.images]
    known = {_key(photo) for photo in photos}
    for part in others:
        rows = [row for row, photo in enumerate(part.photos) if photo.split == "train" and _key(photo) not in known]
        known |= {_key(part.photos[row]) for row in rows}
        photos += [part.photos[row] for row in rows]
        images.append(part.images[rows])
    whole = np.concatenate(images)
    unchanged = len(whole) == len(first.images) and photos == first.photos
    return first if unchanged else PhotoSet(photos, whole, digest_of(photos, whole), first.preparation)


def _gather_run(real: Path, run: Path, *, size: int) -> tuple[PhotoSet, bool]:
    """The photographs divided as the run divided them, and whether they are just those of the run."""
    record = read_json(run / RUN_JSON)
    config = stored_config(record["config"])
    photos = gather_for(config.with_values(resolution=size), real)
    as_trained = photos if size == config.model.resolution else gather_for(config, real)
    return photos, as_trained.digest == record["data"]["digest"]


def _all_trained_on(photos: PhotoSet) -> PhotoSet:
    moved = [replace(photo, split="train") for photo in photos.photos]
    return PhotoSet(moved, photos.images, digest_of(moved, photos.images), photos.preparation)


def _key(photo: Photo) -> tuple[object, ...]:
    return photo.path, photo.box
