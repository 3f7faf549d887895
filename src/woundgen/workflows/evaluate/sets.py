"""Read the generated set and the photographs that it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.files.images import photograph_size
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.leaks import assert_no_leak
from woundgen.data.photo_set import PhotoSet, patients, photographs_of
from woundgen.data.pixels.prepare import prepare_all
from woundgen.errors import UserError
from woundgen.privacy.exposure import find_keys, read_seen, seen_groups
from woundgen.records import Photo
from woundgen.runtime.console import Say
from woundgen.storage.files import read_json
from woundgen.storage.names import CACHE, MANIFEST_JSONL, METADATA_CSV, RUN_JSON

JPEG_START = b"\xff\xd8"
VALIDATION, HOLDOUT = "validation", "holdout"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """images: uint8 [N, S, S, 3]; groups: patients, None where not known; name: for tables and files.

    lossy: how many come from JPEG files.
    """

    images: NDArray[np.uint8]
    groups: list[str] | None
    name: str
    lossy: int = 0


@dataclass(frozen=True, slots=True)
class Photographs:
    """What a set is held against. training: those trained on, where that is known.

    cache: a folder in which features of photographs may be kept, or None. photos: the rows of held_out, below root.
    """

    held_out: ImageSet
    training: ImageSet | None = None
    cache: Path | None = None
    photos: tuple[Photo, ...] = ()
    root: Path | None = None


def read_set(folder: Path, *, phase: str, size: int | None, margin: float) -> ImageSet:
    """All photographs of one phase, prepared as training prepares them. size None: as the first one is.

    folder: any that training could read, a plain folder of images (all of `phase`), or a set's table itself.
    """
    if folder.name in (METADATA_CSV, MANIFEST_JSONL) and folder.is_file():
        folder = folder.parent
    photos = find_photos(folder, phases=[phase], unlabelled=phase)
    return _prepared(photos, folder, name=folder.name, size=size, margin=margin)


def _prepared(photos: Sequence[Photo], folder: Path, *, name: str, size: int | None, margin: float) -> ImageSet:
    roots = [photograph_root(folder)]
    if size is None:
        size = max(32, min(photograph_size(Path(photos[0].path), roots=roots)) // 8 * 8)
    images = prepare_all(photos, resolution=size, margin=margin, roots=roots, cache_dir=None, progress=None)
    return ImageSet(images, patients(photos), name, _lossy(photos))


def held_out_of(run: Path, *, phase: str, side: str = VALIDATION) -> Photographs:
    """The two sides of a run's photographs: prepared and split again from its own record."""
    photos = photographs_of(run)
    held_out, training = (_side(photos, one, phase, f"{run.name} {one}") for one in (side, "train"))
    if held_out is None:
        kind = "sealed" if side == HOLDOUT else "held out"
        raise UserError(f"{run} {kind} no photograph of phase {phase}.", "Give --real FOLDER.")
    rows = tuple(photo for photo in photos.photos if photo.split == side and photo.phase == phase)
    return Photographs(held_out, training, run / CACHE, rows, Path(read_json(run / RUN_JSON)["data"]["folder"]))


def photographs_from(
    *,
    run: Path | None,
    real: Path | None,
    phase: str,
    size: int,
    margin: float,
    training: Path | None = None,
    side: str = VALIDATION,
) -> Photographs:
    """What a run held out, or a folder prepared at `size`; one of both is given.

    side: of the run's split, or of the folder's where its photographs have sides (then its own train side is
    the training set). Raises UserError where a group or a file is in both the held-out and the training set.
    """
    if run is not None:
        return held_out_of(run, phase=phase, side=side)
    assert real is not None
    held_out = find_photos(real, phases=[phase], unlabelled=phase)
    trained = [] if training is None else find_photos(training, phases=[phase], unlabelled=phase)
    name, train_name = real.name, training.name if training is not None else f"{real.name} train"
    train_folder = training or real
    if any(photo.split is not None for photo in held_out):
        trained = trained or [photo for photo in held_out if photo.split == "train"]
        held_out, name = [photo for photo in held_out if photo.split == side], f"{real.name} {side}"
        if not held_out:
            raise UserError(f"{real} has no photograph of phase {phase} with split = {side}.", "See --side.")
    elif side != VALIDATION:
        raise UserError(f"{real} has no split, and --side {side} is asked for.", "Freeze one: woundgen data split.")
    sides = [(held_out, side), (trained, "train")]
    assert_no_leak([replace(photo, split=side) for photos, side in sides for photo in photos])  # type: ignore[arg-type]
    return Photographs(
        _prepared(held_out, real, name=name, size=size, margin=margin),
        _prepared(trained, train_folder, name=train_name, size=size, margin=margin) if trained else None,
        photos=tuple(held_out),
        root=real,
    )


def refuse_seen(generated: Path, real: Photographs, *, runs: Path, say: Say) -> None:
    """UserError where the generator of the set has seen a patient of what is called sealed.

    Where the set or the runs do not say, that is said. runs: where the key of the set's run is.
    """
    assert real.root is not None
    try:
        seen = seen_groups(real.photos, read_seen(generated), keys=find_keys(runs), root=real.root)
    except UserError as error:
        say(f"warning: whether the generator has seen these patients is not known. {error.what}")
        return
    if seen:
        raise UserError(
            f"The generator of {generated} has seen {len(seen)} of the groups that are called sealed, "
            f"such as {min(seen)}.",
            "Freeze the split before training and give it to --data: woundgen data split.",
        )


def _side(photos: PhotoSet, side: str, phase: str, name: str) -> ImageSet | None:
    rows = [row for row in photos.rows(side) if photos.photos[row].phase == phase]
    chosen = [photos.photos[row] for row in rows]
    return ImageSet(photos.images[rows], patients(chosen), name, _lossy(chosen)) if rows else None


def _lossy(photos: Sequence[Photo]) -> int:
    """By the first bytes, not by the name."""
    count = 0
    for photo in photos:
        with Path(photo.path).open("rb") as file:
            count += file.read(2) == JPEG_START
    return count
