"""The job of `woundgen calibrate`: what is usual among real photographs, on paper before anything is drawn."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.config.ranges import check_whole
from woundgen.data.photo_set import count_groups, grouping_of
from woundgen.events import Info, Work
from woundgen.reporting.calibration_page import Scores, calibration_figure, calibration_page
from woundgen.reporting.figures import svg_bytes
from woundgen.screening.acceptance import Acceptance, acceptance_on_real
from woundgen.screening.calibration import Calibration, left_out_deviations
from woundgen.screening.reference_statistics import References, measure, measure_references, prepare_references
from woundgen.screening.rules import judge
from woundgen.screening.statistics import COPY_PLACES
from woundgen.storage.files import read_json, sha256_json, write_bytes, write_json, write_text
from woundgen.storage.names import CALIBRATION_JSON, CALIBRATION_MD, CALIBRATION_SVG, RUN_JSON
from woundgen.storage.ownership import claim_output
from woundgen.workflows.screen.job import calibration_of, rule_of
from woundgen.workflows.screen.networks import ScreenNetworks, choose_networks, describe
from woundgen.workflows.screen.references import Origins, gather_references

SIZE = 128


def calibrate_photographs(
    real: Path, *, run: Path | None, phase: str | None, size: int | None, quality: QualityConfig, out: Path
) -> Work[Calibration]:
    """calibration.json, CALIBRATION.md and calibration.svg in `out`; they name no photograph.

    run: divides the photographs as it did; else they are divided anew, and `phase` says which are meant.
    size: None takes the run's, or SIZE. Raises UserError for fewer than 10 references, before anything is written.
    """
    check_whole("--size", size, 32, 1024)
    side = size or (int(read_json(run / RUN_JSON)["config"]["resolution"]) if run is not None else SIZE)
    origins = Origins(() if run is None else (run,))
    photos = (yield from gather_references(real, origins, label=phase or "", size=side)).photos
    rows = photos.rows("train")
    groups = photos.groups(rows)
    networks = choose_networks(quality)
    references = prepare_references(describe(photos.images[rows], networks), groups)
    among = measure_references(references, k=quality.topk)
    calibration = calibration_of(references, among, groups, quality)
    validation_images = photos.images[photos.rows("validation")]
    held_out, accepted = _held_out(validation_images, references, calibration, quality, networks)

    settings = {name: getattr(quality, name) for name in type(quality).model_fields}
    identity = sha256_json([photos.digest, side, settings, asdict(networks.used)])
    claim_output(out, identity=identity, what="calibration")
    record = {
        "photographs": photos.digest,
        "size": side,
        "calibration": calibration.to_json(),
        "held_out": [asdict(one) for one in accepted],
    }
    write_json(out / CALIBRATION_JSON, record | {"digest": sha256_json(record)})
    deviations = left_out_deviations(among, [groups[row] for row in references.rows])
    drawn = Scores(deviations, among.columns[COPY_PLACES]), held_out
    counted = count_groups(calibration.groups, grouping_of([photos.photos[row] for row in rows]))
    write_bytes(out / CALIBRATION_SVG, svg_bytes(calibration_figure(calibration, *drawn)))
    write_text(out / CALIBRATION_MD, calibration_page(calibration, drawn[0], accepted, groups=counted))
    for line in [*calibration.statements(), *(one.sentence() for one in accepted), f"written: {out / CALIBRATION_MD}"]:
        yield Info(line)
    return calibration


def _held_out(
    images: NDArray[np.uint8],
    references: References,
    calibration: Calibration,
    quality: QualityConfig,
    networks: ScreenNetworks,
) -> tuple[Scores | None, list[Acceptance]]:
    """Scores of photographs that are no references, and what each policy makes of them."""
    if len(images) == 0:
        return None, []
    statistics = measure(describe(images, networks), references, k=calibration.k)
    rule = rule_of(quality, release_copies=False)
    policies = [replace(rule, policy=policy) for policy in ("calibrated", "spec")]
    scored = judge(statistics, calibration, rule)
    return (
        Scores(*(np.array([one.scores[name] for one in scored]) for name in ("deviation", COPY_PLACES))),
        [acceptance_on_real(statistics, calibration, one) for one in policies],
    )
