"""The job of `woundgen report`: pages from what runs and sets have stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.data.files.images import read_photograph
from woundgen.data.photo_set import PhotoSet, photographs_of
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.features.embedded import feature_network
from woundgen.metrics.measure import pooled_features
from woundgen.privacy.private_names import names_of_run
from woundgen.reporting.grades import grades_of
from woundgen.reporting.private_page import NearestPair, PrivateSection
from woundgen.reporting.read_run import collect, collect_grids
from woundgen.reporting.read_set import collect_scores, read_telltale_patches
from woundgen.reporting.utility_page import read_utility, utility_view
from woundgen.reporting.write import write_reports
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.storage.files import read_json
from woundgen.storage.names import MANIFEST_JSONL, METRICS_JSON, RUN_JSON, private_folder
from woundgen.storage.provenance import join_sets
from woundgen.storage.set_rows import read_released_rows

SIDE_BY_SIDE = 24
PAIRS = 12


def write_report(
    runs: Sequence[Path],
    generated: Sequence[Path],
    *,
    out: Path,
    private: bool,
    title: str,
    quality: QualityConfig,
    utility: Path | None = None,
) -> Work[tuple[Path, ...]]:
    """report.html and TRAINING_REPORT_phase_X.md for the runs; report_private.html where asked for.

    generated: sets; each goes with the run whose adapter drew it, by the adapter's digest.
    utility: folder of a study that joins the page.
    """
    if not runs:
        raise UserError("No run is named.", "Give --run runs/phase_X.")
    for folder in generated:
        _check_set(folder)
    by_run = join_sets(runs, generated)
    contents = [
        collect(run, sets, [read_json(one / METRICS_JSON) for one in sets if (one / METRICS_JSON).exists()])
        for run, sets in by_run.items()
    ]
    contents = [replace(content, grades=grades_of(quality)) for content in contents]
    sections: list[PrivateSection] = []
    searches = [names_of_run(read_json(run / RUN_JSON)) for run in by_run]
    for run, sets in by_run.items():
        photos = photographs_of(run) if private else None
        if photos is not None:
            sections += (
                [PrivateSection(title=f"{run.name}: training", grids=grids)] if (grids := collect_grids(run)) else []
            )
            sections += [private_section(run, one, photos) for one in sets]
    pages = write_reports(
        contents,
        out=out,
        title=title,
        private=sections,
        search=lambda text: [name for search in searches for name in search(text)],
        utility=None if utility is None else utility_view(read_utility(utility)),
    )
    for page in pages:
        yield Info(f"written: {page}")
    return pages


def private_section(run: Path, one: Path, photos: PhotoSet) -> PrivateSection:
    """Real and generated mixed, and the training photograph nearest to each of the first images."""
    drawn = images_of(one)[:SIDE_BY_SIDE]
    rows = photos.rows("train")
    training = photos.images[rows]
    network, _ = feature_network()
    distances = euclidean_distances(pooled_features(network, drawn), pooled_features(network, training))
    pairs = [
        NearestPair(drawn[i], training[int(distances[i].argmin())], f"feature distance {distances[i].min():.2f}")
        for i in range(min(PAIRS, len(drawn)))
    ]
    return PrivateSection(
        title=f"{run.name}: {one.name}", real=list(training), generated=list(drawn), pairs=pairs,
        scores=collect_scores(one), telltale=read_telltale_patches(private_folder(one)),
    )  # fmt: skip


def images_of(one: Path) -> NDArray[np.uint8]:
    """The accepted images of a set, in order."""
    names = [row["file_name"] for row in read_released_rows(one)]
    if not names:
        raise UserError(f"{one} holds no accepted image.", "Generate first.")
    return np.stack([read_photograph(one / name, roots=[one]) for name in names])


def _check_set(folder: Path) -> None:
    if not (folder / MANIFEST_JSONL).is_file():
        raise UserError(
            f"{folder} is not a generated set (no {MANIFEST_JSONL}).", "Give a folder of `woundgen generate`."
        )
