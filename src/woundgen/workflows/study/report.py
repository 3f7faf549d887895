"""The job of `woundgen study report`: what the readers could tell, as JSON, Markdown and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.files.images import read_photograph
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.reporting.pictures import Picture
from woundgen.reporting.study_page import write_study_report
from woundgen.storage.files import read_json
from woundgen.storage.set_rows import read_drawn_rows, read_released_rows
from woundgen.study.answers import Readings, gather_readings
from woundgen.study.assess import assess
from woundgen.study.correlation import rank_correlation
from woundgen.study.files import PICTURES, REPORT, journal_path, read_study, read_truth
from woundgen.study.image_scores import score_images
from woundgen.study.session import read_answers

Scores = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class ReportedStudy:
    """A reported study. pages: files that were written. record: as study.json holds it, with intervals and n."""

    pages: tuple[Path, ...]
    record: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the pages, the sentence that answers, and the record."""
        return {
            "pages": [str(page) for page in self.pages], "sentence": self.record["sentence"],
            "study": dict(self.record),
        }  # fmt: skip


def report_study(folder: Path, *, out: Path | None, margin: float, features: str, private: bool) -> Work[ReportedStudy]:
    """Write study.json, STUDY.md and study.html into `out`; with `private`, study_private.html into the study."""
    study = read_study(folder)
    truth, facts = read_truth(folder)
    answers = {name: read_answers(journal_path(folder, name), order) for name, order in study.orders.items()}
    readings = gather_readings(truth, answers, phase_names=study.phases)
    set_dirs = [Path(path) for path in facts["set_dirs"]]
    scores = _stored_scores(readings, set_dirs)
    if features != "none":
        scores |= _feature_scores(readings, folder, features)
    names = [f"set {number + 1}" for number in range(len(set_dirs))]
    try:
        record = assess(readings, margin=margin, scores=scores, sets=names)
    except ValueError as error:
        raise UserError(f"{folder}: {error}.", "Let the readers go on, then report again.") from None
    record["set_metrics"] = _set_metrics(record, set_dirs)
    record["network"] = features
    pictures = {one["item"]: _picture(folder, one) for part in record["gave_away"].values() for one in part}
    photographs = _photographs(readings, folder) if private else []
    secrets = [str(folder), facts["real_dir"], *facts["set_dirs"]]
    pages = write_study_report(
        record, pictures, out=out or folder / REPORT, private=folder if private else None, photographs=photographs,
        secrets=secrets,
    )  # fmt: skip
    for path in pages:
        yield Info(f"written: {path}")
    yield Info(record["sentence"])
    return ReportedStudy(pages, record)


def _stored_scores(readings: Readings, set_dirs: list[Path]) -> Scores:
    """Scores that the sets' manifests hold of the images shown, by name."""
    by_file: dict[tuple[int, str], Mapping[str, float]] = {}
    for number, set_dir in enumerate(set_dirs):
        for row in read_drawn_rows(set_dir) or read_released_rows(set_dir):
            if row.get("file_name"):
                by_file[number, row["file_name"]] = row.get("scores", {})
    found = [by_file.get((one.set, one.file), {}) if one.set is not None and one.file else {} for one in readings.truth]
    names = sorted({name for scores in found for name in scores})
    return {
        f"stored: {name}": np.array([float(scores.get(name, np.nan)) for scores in found], np.float64) for name in names
    }


def _feature_scores(readings: Readings, folder: Path, network: str) -> Scores:
    from woundgen.metrics.measure import load_extractors

    images = np.stack([_pixels(folder, name) for name in readings.items])
    (extractor,) = load_extractors([network])
    scores = score_images(extractor.pooled(images), readings.cases.synthetic)
    return {f"{network}: {name}": values for name, values in scores.items()}


def _set_metrics(record: Mapping[str, object], set_dirs: list[Path]) -> list[dict[str, object]]:
    """Of metrics.json of each set: how each row goes with the readers' accuracy over the sets; three sets at least."""
    by_set = record["by_set"]
    assert isinstance(by_set, list)
    accuracies = [one["accuracy"]["value"] if one["accuracy"] else np.nan for one in by_set]
    rows: dict[str, list[float]] = {}
    for number, set_dir in enumerate(set_dirs):
        path = set_dir / "metrics.json"
        for row in read_json(path)["rows"] if path.exists() else []:
            if not row["label"]:
                name = " ".join(filter(None, [row["title"], row.get("network")]))
                rows.setdefault(name, [np.nan] * len(set_dirs))[number] = row["value"]
    found = []
    for name, values in rows.items():
        one = rank_correlation(values, accuracies) if len(accuracies) >= 3 else None
        if one is not None:
            found.append({"name": name, "rho": one.rho, "low": one.low, "high": one.high, "n": one.n})
    return found


def _pixels(folder: Path, item: str) -> NDArray[np.uint8]:
    return read_photograph(folder / PICTURES / f"{item}.png", roots=[folder])


def _picture(folder: Path, one: Mapping[str, object]) -> Picture:
    caption = f"phase {one['phase']}, mean rating {one['rating']:+.1f}"
    return Picture(_pixels(folder, str(one["item"])), caption)


def _photographs(readings: Readings, folder: Path) -> list[Picture]:
    """The photographs that readers most often took for synthetic; for the private page alone."""
    ratings = np.where(np.isfinite(readings.ratings), readings.ratings, 0).mean(axis=0)
    rows = [row for row in np.argsort(-ratings) if not readings.cases.synthetic[row]][:12]
    return [
        Picture(
            _pixels(folder, readings.items[row]), f"phase {readings.truth[row].phase}, mean rating {ratings[row]:+.1f}"
        )
        for row in rows
    ]
