"""The job of `woundgen report`: pages from what runs and sets have stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.config.quality import QualityConfig
from woundgen.data.files.images import read_photograph
from woundgen.data.files.phantom_mark import is_phantom
from woundgen.data.photo_set import PhotoSet, photographs_of
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.features.embedded import feature_network
from woundgen.metrics.measure import pooled_features
from woundgen.privacy.private_names import names_of_run
from woundgen.reporting.grades import grades_of
from woundgen.reporting.private_page import NearestPair, PrivateSection
from woundgen.reporting.read_audit import join_audits
from woundgen.reporting.read_run import collect, collect_grids
from woundgen.reporting.read_set import collect_scores, read_photograph_patches
from woundgen.reporting.utility_page import UtilityView, read_utility, utility_view
from woundgen.reporting.write import write_reports
from woundgen.similarity.neighbours import euclidean_distances, leave_group_out_nearest
from woundgen.storage.files import read_json, sha256_json
from woundgen.storage.names import MANIFEST_JSONL, MARKER, METRICS_JSON, RUN_JSON
from woundgen.storage.provenance import find_trained_file, join_sets
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
    audits: Sequence[Path] = (),
) -> Work[tuple[Path, ...]]:
    """report.html and TRAINING_REPORT_phase_X.md for the runs; report_private.html where asked for.

    generated: sets; each goes with the run whose adapter drew it, by the adapter's digest.
    utility: folder of a study that joins the page. audits: folders of audits of the sets, likewise.
    """
    if not runs:
        raise UserError("No run is named.", "Give --run runs/phase_X.")
    for folder in generated:
        _check_set(folder)
    by_run, joined = join_sets(runs, generated), join_audits(generated, audits)
    contents = [
        collect(run, sets, [read_json(one / METRICS_JSON) for one in sets if (one / METRICS_JSON).exists()], joined)
        for run, sets in by_run.items()
    ]
    contents = [replace(content, grades=grades_of(quality)) for content in contents]
    sections: list[PrivateSection] = []
    searches = [names_of_run(read_json(run / RUN_JSON)) for run in by_run]
    for run, sets in by_run.items():
        photos = photographs_of(run) if private else None
        if photos is not None:
            rendered = all(is_phantom(Path(photo.path)) for photo in photos.photos)
            if grids := collect_grids(run):
                sections.append(
                    PrivateSection(title=f"Run {run.name}: drawn while training", grids=grids, rendered=rendered)
                )
            sections += [replace(private_section(run, folder, photos), rendered=rendered) for folder in sets]
    study = None if utility is None else (yield from _utility_view(utility, runs=list(by_run)))
    written = write_reports(
        contents,
        out=out,
        title=title,
        identity=_identity(by_run),
        private=sections,
        search=lambda text: [name for search in searches for name in search(text)],
        utility=study,
    )
    for place in written.changed:
        yield Info(f"a page had been changed since it was written; it is now {place}")
    for page in written.pages:
        yield Info(f"{'refreshed' if page in written.refreshed else 'written'}: {page}")
    return written.pages


def _identity(by_run: Mapping[Path, Sequence[Path]]) -> str:
    """Return the digest of which runs and sets a report is of: their folders' identities, not their paths."""
    folders = [folder for run, sets in by_run.items() for folder in (run, *sets)]
    markers = [folder / MARKER for folder in folders]
    return sha256_json([read_json(path)["identity"] if path.exists() else path.parent.name for path in markers])


def _utility_view(folder: Path, *, runs: Sequence[Path]) -> Work[UtilityView]:
    """Join a study to the page; where its images were drawn with adapters of other runs, it is labelled."""
    record = read_utility(folder)
    digests = record.get("adapters")
    if digests is None:
        line = "Which adapters drew the study's images is not recorded: it was made by an older version."
    else:
        known = [digest for digest in digests if any(find_trained_file(run, [digest]) is not None for run in runs)]
        if len(known) == len(digests):
            return utility_view(record)
        line = f"{len(digests) - len(known)} of {len(digests)} adapters that drew the study's images are of other runs."
    yield Info(f"note: {line[0].lower()}{line[1:]} ({folder})")
    return utility_view(record, lines=[line])


def private_section(run: Path, generated: Path, photos: PhotoSet) -> PrivateSection:
    """Return photographs and images mixed, and the nearest photograph of the images that are nearest to any."""
    images, rows = images_of(generated), photos.rows("train")
    training = photos.images[rows]
    network, _ = feature_network()
    features = pooled_features(network, training)
    distances = euclidean_distances(pooled_features(network, images), features)
    apart = leave_group_out_nearest(euclidean_distances(features, features), photos.groups(rows))[1]
    usual = f"; photographs of different groups: {np.median(apart):.2f} in the median (n = {len(apart)})"
    order = np.argsort(distances.min(axis=1), kind="stable")[:PAIRS]
    pairs = [
        NearestPair(images[i], training[distances[i].argmin()], f"feature distance {distances[i].min():.2f}{usual}")
        for i in order
    ]
    return PrivateSection(
        title=f"Run {run.name}: set {generated.name}", real=list(training),
        generated=list(images[:SIDE_BY_SIDE]), pairs=pairs, scores=collect_scores(generated),
        telltale=read_photograph_patches(generated),
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
