"""The job of `woundgen evaluate`: a generated set against real photographs, each number with its floor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.images import photograph_size
from woundgen.data.prepare import prepare_all
from woundgen.data.sources import find_photos
from woundgen.errors import UserError
from woundgen.features.embedded import NAME
from woundgen.models.base import EMBEDDED, EMBEDDED_FOLDER, base_digest, load_base
from woundgen.models.pixels import round_trip
from woundgen.records import MetricValue, Photo
from woundgen.rundir import SET_JSON, read_json, write_json
from woundgen.workflows.measure import measure_images
from woundgen.workflows.photographs import photographs_of
from woundgen.workflows.setup import feature_network

Say = Callable[[str], None]
FEWEST = 8
DARK = 0.03  # mean brightness below which a set is taken for a wrong value range


@dataclass(frozen=True, slots=True)
class ImageSet:
    """images: uint8 [N, S, S, 3]; groups: patients, None where not known; name: for tables and files."""

    images: NDArray[np.uint8]
    groups: list[str] | None
    name: str


def read_set(folder: Path, *, phase: str, size: int | None, margin: float) -> ImageSet:
    """All photographs of one phase, prepared as training prepares them. size None: as the first one is."""
    photos = find_photos(folder, phases=[phase])
    if size is None:
        size = max(32, min(photograph_size(Path(photos[0].path), roots=[folder])) // 8 * 8)
    images = prepare_all(photos, resolution=size, margin=margin, roots=[folder], cache_dir=None, progress=None)
    return ImageSet(images, _groups(photos), folder.name)


def held_out_of(run: Path, *, phase: str) -> ImageSet:
    """The photographs of a run's validation side: prepared and split again from its own record."""
    photos = photographs_of(run)
    rows = [row for row in photos.rows("validation") if photos.photos[row].phase == phase]
    if not rows:
        raise UserError(f"{run} held out no photograph of phase {phase}.", "Give --real FOLDER.")
    return ImageSet(photos.images[rows], _groups([photos.photos[row] for row in rows]), f"{run.name} validation")


def base_of_set(folder: Path, *, say: Say) -> str | None:
    """The base a generated set was drawn with, where it is the embedded one; others have to be named."""
    path = folder / SET_JSON
    if path.exists() and read_json(path).get("base") == base_digest(EMBEDDED_FOLDER):
        return EMBEDDED
    say("no --base is named: the ceiling (real -> autoencoder -> real) is left out")
    return None


def evaluate_set(
    generated: ImageSet, real: ImageSet, *, base: str | None, out: Path, label: str, say: Say
) -> list[MetricValue]:
    """Measure, print, and write metrics.json to `out`. base: its autoencoder gives the ceiling."""
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
        if one.images.mean() < 255 * DARK:
            raise UserError(
                f"The {side} images are nearly black (mean {one.images.mean():.1f} of 255).",
                "Were values of 0..1 written as 0..255? Write uint8 PNG over the whole range.",
            )
    ceiling = None
    if base is not None:
        ceiling = round_trip(load_base(base, notice=say).vae, real.images)
    network, digest = feature_network()
    rows = measure_images(
        network,
        digest,
        generated=generated.images,
        real=real.images,
        real_groups=real.groups,
        ceiling=ceiling,
        neighbours=min(len(generated.images), len(real.images)) >= 24,
    )
    shown = f"{real.name} {hashlib.sha256(real.images.tobytes()).hexdigest()[:12]}"  # equal for the same photographs
    write_json(out, metrics_record(rows, generated=generated.name, real=shown, label=label, digest=digest))
    return rows


def metrics_record(rows: list[MetricValue], *, generated: str, real: str, label: str, digest: str) -> dict[str, Any]:
    """What metrics.json holds."""
    return {
        "generated": generated,
        "real": real,
        "label": label,
        "network": {"name": NAME, "digest": digest},
        "rows": [row.to_json() for row in rows],
    }


def _groups(photos: list[Photo]) -> list[str] | None:
    """Patients where every photograph names one and they are enough to be halved."""
    groups = [photo.group for photo in photos]
    known = [group for group in groups if group is not None]
    return known if len(known) == len(groups) and len(set(known)) >= FEWEST else None
