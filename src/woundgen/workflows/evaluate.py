"""The job of `woundgen evaluate`: a generated set against real photographs, each number with its floor."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.images import photograph_size
from woundgen.data.manifest import photograph_root
from woundgen.data.prepare import prepare_all
from woundgen.data.sources import find_photos
from woundgen.data.split import assert_no_leak
from woundgen.errors import UserError
from woundgen.features.cache import Cache, content_digest
from woundgen.features.extractor import Extractor
from woundgen.metrics.table import DEFAULT_PROTOCOL, Protocol
from woundgen.models.base import EMBEDDED, EMBEDDED_FOLDER, base_digest, load_base
from woundgen.models.pixels import round_trip
from woundgen.records import MetricValue, Photo
from woundgen.rundir import CACHE, MANIFEST_JSONL, METADATA_CSV, RUN_JSON, SET_JSON, read_json, write_json
from woundgen.workflows.measure import RealSets, enough_for_neighbours, measure_images
from woundgen.workflows.photographs import PhotoSet, patients, photographs_of
from woundgen.workflows.seen import find_keys, read_seen, seen_groups

Say = Callable[[str], None]
FEWEST = 8
DARK = 0.03  # mean brightness below which an image is taken for a wrong value range
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


def base_of_set(folder: Path, *, say: Say) -> str | None:
    """The base a generated set was drawn with, where it is the embedded one; others have to be named."""
    path = folder / SET_JSON
    if path.exists() and read_json(path).get("base") == base_digest(EMBEDDED_FOLDER):
        return EMBEDDED
    say("no --base is named: the ceiling (real -> autoencoder -> real) is left out")
    return None


def evaluate_set(
    generated: ImageSet,
    real: Photographs,
    *,
    networks: Sequence[Extractor],
    base: str | None,
    out: Path,
    label: str,
    say: Say,
    protocol: Protocol = DEFAULT_PROTOCOL,
    cache: Cache | None = None,
) -> list[MetricValue]:
    """Measure, and write metrics.json to `out`. base: its autoencoder gives the ceiling."""
    held_out = real.held_out
    check_sets(generated, held_out)
    warn_of(generated, held_out, say)
    neighbours = enough_for_neighbours(len(generated.images), len(held_out.images), held_out.groups, protocol)
    if not neighbours:
        say(f"precision, recall and their like are left out: too few images for k = {protocol.k} in two halves")
    kept = cache or Cache(real.cache)
    through = None
    if base is not None:
        model = load_base(base, notice=say)
        through = kept.array(
            "round trip", model.digest, [held_out.images], lambda: round_trip(model.vae, held_out.images)
        )
    sets = RealSets(
        images=held_out.images,
        groups=held_out.groups,
        through=through,
        training=None if real.training is None else real.training.images,
        training_groups=None if real.training is None else real.training.groups,
    )
    rows = measure_images(
        networks, generated=generated.images, real=sets, neighbours=neighbours, protocol=protocol, cache=kept
    )
    digest = hashlib.sha256(held_out.images.tobytes()).hexdigest()[:12]
    shown = f"{held_out.name} {digest}"  # equal for the same photographs
    record = metrics_record(rows, generated=generated.name, real=shown, label=label, networks=networks)
    write_json(out, record | {"digest": content_digest(generated.images)})
    return rows


def check_sets(generated: ImageSet, real: ImageSet) -> None:
    """UserError for sets that cannot be compared, or whose comparison would mean nothing."""
    sizes = [f"{one.images.shape[2]}x{one.images.shape[1]}" for one in (generated, real)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"The generated images are {sizes[0]} pixels and the photographs were prepared as {sizes[1]}.",
            "Draw at that size, or give --real FOLDER, which is prepared to fit.",
        )
    for side, one in (("generated", generated), ("real", real)):
        if len(one.images) < FEWEST:
            raise UserError(
                f"The {side} set has {len(one.images)} images; at least {FEWEST} are needed.", "Add images."
            )
        dark = int((one.images.mean(axis=(1, 2, 3)) < 255 * DARK).sum())
        if dark > len(one.images) / 2:
            raise UserError(
                f"{dark} of {len(one.images)} {side} images are nearly black "
                f"(mean brightness of all {one.images.mean():.1f} of 255).",
                "Were values of 0..1 written as 0..255? Write uint8 PNG over the whole range.",
            )
    shared = same_images(generated.images, real.images)
    if shared == len(generated.images):
        raise UserError(
            f"All {shared} generated images are among the photographs, pixel by pixel: the same folder twice?",
            "Give the generated set as --generated.",
        )


def warn_of(generated: ImageSet, real: ImageSet, say: Say) -> None:
    """What makes numbers mean something else than they seem to, but may be meant."""
    shared = same_images(generated.images, real.images)
    if shared:
        say(f"warning: {shared} of {len(generated.images)} generated images are photographs, pixel by pixel")
    shares = [one.lossy / len(one.images) for one in (generated, real)]
    if abs(shares[0] - shares[1]) > 0.5:
        kinds = [("JPEG" if share > 0.5 else "PNG or another lossless format") for share in shares]
        say(
            f"warning: the generated images are {kinds[0]}, the photographs {kinds[1]}: traces of compression "
            "count as a difference (the floor does not have them)"
        )


def same_images(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    """How many of the first are, pixel by pixel, among the second."""
    digests = Counter(hashlib.sha256(image.tobytes()).digest() for image in right)
    return sum(hashlib.sha256(image.tobytes()).digest() in digests for image in left)


def metrics_record(
    rows: list[MetricValue], *, generated: str, real: str, label: str, networks: Sequence[Extractor]
) -> dict[str, Any]:
    """What metrics.json holds."""
    return {
        "generated": generated,
        "real": real,
        "label": label,
        "networks": [{"name": one.name, "digest": one.digest, "input": one.input} for one in networks],
        "rows": [row.to_json() for row in rows],
    }


def _lossy(photos: Sequence[Photo]) -> int:
    """By the first bytes, not by the name."""
    count = 0
    for photo in photos:
        with Path(photo.path).open("rb") as file:
            count += file.read(2) == JPEG_START
    return count
