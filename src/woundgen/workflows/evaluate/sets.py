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
from woundgen.data.pixels.preparation_file import read_preparation
from woundgen.data.pixels.prepare import MARGIN, describe_preparation, prepare_all
from woundgen.errors import UserError
from woundgen.events import Warn, Work
from woundgen.privacy.exposure import find_keys, read_seen, seen_groups
from woundgen.records import Photo, Preparation
from woundgen.storage.files import read_json
from woundgen.storage.names import CACHE, MANIFEST_JSONL, METADATA_CSV, RUN_JSON
from woundgen.storage.set_rows import read_released_rows

VALIDATION, HOLDOUT = "validation", "holdout"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """images: uint8 [N, S, S, 3]; groups: patients, None where not known; name: for tables and files.

    preparation: of a generated set, that of the photographs that its generator was trained on; None where not known.
    compressed: whether its own files left traces of lossy compression.
    """

    images: NDArray[np.uint8]
    groups: list[str] | None
    name: str
    preparation: Preparation | None
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Photographs:
    """The photographs that a set is held against. training: those trained on, where that is known.

    cache: a folder in which features of photographs may be kept, or None. photos: the rows of held_out, below root.
    """

    held_out: ImageSet
    training: ImageSet | None = None
    cache: Path | None = None
    photos: tuple[Photo, ...] = ()
    root: Path | None = None


def read_set(folder: Path, *, phase: str, size: int | None, margin: float) -> ImageSet:
    """All images of one phase that a generator drew. size None: as the first one is.

    folder: of a generated set, any that training could read, a plain folder of images (all of `phase`), or a set's
    table itself. Images with a box of the wound are framed as photographs are, with `margin`.
    """
    folder = folder_of_set(folder)
    _refuse_without_phase(folder, phase)
    photos = find_photos(folder, phases=[phase], unlabelled=phase)
    found = _prepared(photos, folder, name=folder.name, size=size, margin=margin)
    recorded = read_preparation(folder)
    assert found.preparation is not None
    if recorded is not None:
        return replace(found, preparation=recorded.at(found.images.shape[1]))
    return found if found.preparation.margin is not None else replace(found, preparation=None)


def _refuse_without_phase(folder: Path, phase: str) -> None:
    """Raise UserError for a generated set that holds no accepted image, or none of the phase."""
    if not (folder / MANIFEST_JSONL).is_file():
        return
    labels = sorted({str(row["label"]) for row in read_released_rows(folder)})
    if not labels:
        raise UserError(f"{folder} holds no accepted image.", "Generate first: the end of woundgen generate says why.")
    if phase not in labels:
        others = ", ".join(labels)
        raise UserError(f"{folder} holds images of {others}, and none of phase {phase}.", f"Give --phase {labels[0]}.")


def folder_of_set(path: Path) -> Path:
    """The folder of a set that may be named by its table."""
    return path.parent if path.name in (METADATA_CSV, MANIFEST_JSONL) and path.is_file() else path


def choose_margin(generated: Path, *, run: Path | None, asked: float | None) -> float:
    """The margin around boxes: the run's, that asked for, that of the set's generator, or MARGIN."""
    if run is not None:
        if asked is not None:
            raise UserError("--margin is given beside --run.", "Leave it out: the run knows how it framed photographs.")
        return float(read_json(run / RUN_JSON)["config"]["box_margin"])
    recorded = read_preparation(folder_of_set(generated))
    return choose_learned_margin(recorded, asked=asked)


def choose_learned_margin(learned: Preparation | None, *, asked: float | None) -> float:
    """The same without a run. learned: how the photographs were prepared that a generator was trained on."""
    if asked is not None:
        return asked
    return MARGIN if learned is None or learned.margin is None else learned.margin


def _prepared(photos: Sequence[Photo], folder: Path, *, name: str, size: int | None, margin: float) -> ImageSet:
    roots = [photograph_root(folder)]
    if size is None:
        size = max(32, min(photograph_size(Path(photos[0].path), roots=roots)) // 8 * 8)
    images = prepare_all(photos, resolution=size, margin=margin, roots=roots, cache_dir=None)
    preparation = describe_preparation(photos, resolution=size, margin=margin, roots=roots)
    return ImageSet(images, patients(photos), name, preparation, bool(preparation.compressed))


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
    """Read the photographs that a run held out, or a folder prepared at `size`; either is given.

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


def refuse_seen(generated: Path, real: Photographs, *, runs: Path) -> Work[None]:
    """UserError where the generator of the set has seen a patient of what is called sealed.

    Where the set or the runs do not say, that is said. runs: where the key of the set's run is.
    """
    assert real.root is not None
    try:
        seen = seen_groups(real.photos, read_seen(generated), keys=find_keys(runs), root=real.root)
    except UserError as error:
        yield Warn(f"whether the generator has seen these patients is not known. {error.what}")
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
    if not rows:
        return None
    compressed = bool(photos.preparation.compressed)
    return ImageSet(photos.images[rows], patients(chosen), name, photos.preparation, compressed)
