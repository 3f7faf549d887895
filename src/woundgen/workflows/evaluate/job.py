"""The job of `woundgen evaluate`: a generated set against real photographs, each number with its floor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.events import Info, Work
from woundgen.features.cache import Cache, content_digest
from woundgen.features.extractor import Extractor
from woundgen.metrics.artefacts import SMALLEST_SIDE
from woundgen.metrics.measure import (
    RealSets,
    enough_for_neighbours,
    load_extractors,
    make_metrics_record,
    measure_images,
)
from woundgen.metrics.prepared import PreparedImages
from woundgen.metrics.table import DEFAULT_PROTOCOL, Protocol
from woundgen.models.base import EMBEDDED, EMBEDDED_FOLDER, base_digest, load_base
from woundgen.models.images import round_trip
from woundgen.privacy.private_names import find_names, private_names, refuse_names
from woundgen.records import MetricValue
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import append_jsonl, keep_beside, read_json, write_json
from woundgen.storage.names import HOLDOUT_METRICS_JSON, METRICS_JSON, OPENED_JSONL, SET_JSON
from woundgen.storage.provenance import drawn_elsewhere
from woundgen.workflows.evaluate.checks import check_sets, warn_of
from woundgen.workflows.evaluate.request import EvaluateRequest, check_request
from woundgen.workflows.evaluate.sets import (
    HOLDOUT,
    VALIDATION,
    ImageSet,
    Photographs,
    choose_margin,
    photographs_from,
    read_set,
    refuse_seen,
)
from woundgen.workflows.evaluate.two_sample import two_sample_rows


def base_of_set(folder: Path) -> Work[str | None]:
    """The base a generated set was drawn with, where it is the embedded one; others have to be named."""
    path = folder / SET_JSON
    if path.exists() and read_json(path).get("base") == base_digest(EMBEDDED_FOLDER):
        return EMBEDDED
    yield Info("no --base is named: the ceiling (real -> autoencoder -> real) is left out")
    return None


@dataclass(frozen=True, slots=True)
class EvaluatedSet:
    """rows: of the set and of what it is held against, as in metrics.json. path: that file. label: of the set."""

    rows: tuple[MetricValue, ...]
    path: Path
    label: str


def evaluate_request(request: EvaluateRequest) -> Work[EvaluatedSet]:
    """Read the set and the photographs that a request names, and measure them. Writes metrics.json."""
    check_request(request)
    options, run = request.options, request.run
    networks = load_extractors(list(options.features), device="auto")
    margin = choose_margin(request.generated, run=run, asked=options.margin)
    drawn = read_set(request.generated, phase=request.phase, size=None, margin=margin)
    photographs = photographs_from(
        run=run, real=request.real, phase=request.phase, size=drawn.images.shape[1], margin=margin,
        training=options.training, side=options.side,
    )  # fmt: skip
    folder = request.generated if request.generated.is_dir() else request.generated.parent
    name = METRICS_JSON if options.side == VALIDATION else HOLDOUT_METRICS_JSON
    out = options.out or folder / name
    label = f"phase {request.phase}"
    if run is not None and drawn_elsewhere(folder, run):
        label += f", drawn by another run than {run.name}"
        yield Info(f"note: {folder} was not drawn with {run}, which only gives the photographs here")
    if options.side == HOLDOUT:
        yield from refuse_seen(folder, photographs, runs=run or Path("runs"))
        record_opening([out.parent, *([run] if run else [])], photographs)
    rows = yield from evaluate_set(
        drawn,
        photographs,
        networks=networks,
        base=options.base or (yield from base_of_set(folder)),
        out=out,
        label=label,
        protocol=Protocol(k=options.k),
        two_sample=options.two_sample,
    )
    return EvaluatedSet(tuple(rows), out, label)


def evaluate_set(
    generated: ImageSet,
    real: Photographs,
    *,
    networks: Sequence[Extractor],
    base: str | None,
    out: Path,
    label: str,
    protocol: Protocol = DEFAULT_PROTOCOL,
    cache: Cache | None = None,
    two_sample: int | None = None,
) -> Work[list[MetricValue]]:
    """Measure, and write metrics.json to `out`. base: its autoencoder gives the ceiling.

    two_sample: permutations of the classifier two-sample test, 0 for no p-value; None leaves the test out.
    """
    held_out = real.held_out
    check_sets(generated, held_out)
    yield from warn_of(generated, held_out)
    neighbours = enough_for_neighbours(len(generated.images), len(held_out.images), held_out.groups, protocol)
    if not neighbours:
        yield Info(f"precision, recall and their like are left out: too few images for k = {protocol.k} in two halves")
    if generated.images.shape[1] < SMALLEST_SIDE:
        yield Info(f"artefacts are left out: images of less than {SMALLEST_SIDE} pixels a side")
    kept = cache or Cache(real.cache)
    through = None if base is None else (yield from _reconstruct(held_out, base, kept))
    told_apart = []
    if two_sample is not None:
        told_apart = yield from two_sample_rows(
            generated, held_out, through, permutations=two_sample, folder=out.parent
        )
    assert held_out.preparation is not None, "of photographs it is always known"
    sets = RealSets(
        images=held_out.images,
        preparation=held_out.preparation,
        groups=held_out.groups,
        through=through,
        training=None if real.training is None else real.training.images,
        training_groups=None if real.training is None else real.training.groups,
    )
    rows = measure_images(
        networks,
        generated=PreparedImages(generated.images, generated.preparation),
        real=sets,
        neighbours=neighbours,
        protocol=protocol,
        cache=kept,
    )
    rows += told_apart
    yield from _store(rows, generated, real, out=out, label=label, networks=networks)
    return rows


def _reconstruct(photographs: ImageSet, base: str, cache: Cache) -> Work[NDArray[np.uint8]]:
    """The photographs after the base's autoencoder, uint8 as they are."""
    model = load_base(base)
    if model.note:
        yield Info(model.note)
    images = photographs.images
    return cache.array("round trip", model.digest, [images], lambda: round_trip(model.vae, images))


def _store(
    rows: list[MetricValue],
    generated: ImageSet,
    real: Photographs,
    *,
    out: Path,
    label: str,
    networks: Sequence[Extractor],
) -> Work[None]:
    """Write the numbers to `out`. UserError where the names of set or label would name a photograph."""
    held_out = real.held_out
    assert held_out.preparation is not None, "of photographs it is always known"
    digest = hashlib.sha256(held_out.images.tobytes()).hexdigest()[:12]
    names = private_names([*real.photos])
    refuse_names({"metrics.json": f"{generated.name}\n{label}"}, [lambda text: find_names(text, names)])
    shown = f"photographs {digest}"  # equal for the same photographs; their folder's name may name a patient
    record = make_metrics_record(rows, generated=generated.name, real=shown, label=label, networks=networks)
    prepared = {"real": held_out.preparation.to_json(), "generated": None}
    if generated.preparation is not None:
        prepared["generated"] = generated.preparation.to_json()
    record |= {"digest": content_digest(generated.images), "preparation": prepared}
    yield from _keep_another(out, record)
    write_json(out, add_digest(record))


def _keep_another(path: Path, record: Mapping[str, Any]) -> Work[None]:
    """Numbers of other images, photographs or networks are kept beside, not overwritten."""
    if not path.exists():
        return
    before = read_json(path)
    same = isinstance(before, dict) and all(before.get(key) == record[key] for key in ("digest", "real", "networks"))
    if not same:
        yield Info(f"{path.name} held other numbers; they are kept as {keep_beside(path)}")


def record_opening(folders: Sequence[Path], real: Photographs) -> None:
    """Note in each folder that the sealed side was looked at: after that it is no longer a fresh test."""
    digest = hashlib.sha256(real.held_out.images.tobytes()).hexdigest()[:12]
    row = {"opened": datetime.now(UTC).isoformat(timespec="seconds"), "photographs": digest, "n": len(real.photos)}
    for folder in folders:
        append_jsonl(folder / OPENED_JSONL, [row])
