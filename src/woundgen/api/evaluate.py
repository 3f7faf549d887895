"""Measure a generated set against real photographs, and compare measured sets and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from woundgen.api.places import Place, as_path, as_paths
from woundgen.comparison.candidates import read_candidates
from woundgen.comparison.compare import Comparison
from woundgen.comparison.compare import compare as compare_candidates
from woundgen.comparison.pages import findings
from woundgen.comparison.write import write_comparison
from woundgen.config.quality import QualityConfig
from woundgen.records import MetricValue
from woundgen.reporting.grades import grades_of
from woundgen.reporting.metric_explanations import joint_verdict
from woundgen.reporting.metric_table import metric_table, numbers_table
from woundgen.reporting.notebook import lines_html, make_frame, table_html
from woundgen.reporting.tables import Table
from woundgen.runtime.console import Console, open_console
from woundgen.storage.files import read_json
from woundgen.storage.names import QUALITY_COMPARISON, RUN_JSON
from woundgen.workflows.evaluate.request import EvaluateOptions, EvaluateRequest, SweepOptions, SweepRequest

if TYPE_CHECKING:
    from woundgen.reporting.notebook import DataFrame


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """Measured numbers with their floors and ceilings.

    rows: values with interval, n and feature network; those labelled floor, ceiling and training stand for photographs.
    path: metrics.json. label: of the set.
    """

    rows: tuple[MetricValue, ...]
    path: Path
    label: str

    def table(self, quality: QualityConfig | None = None) -> Table:
        """Return the numbers as a table, a metric a row, with the grades of `quality`."""
        return metric_table(self.rows, source=str(self.path), grades=grades_of(quality or QualityConfig()))

    def short_table(self) -> Table:
        """Return value with interval, floor and n under plain names, without the rest of `table`."""
        return numbers_table(self.rows)

    @property
    def verdict(self) -> str:
        """A sentence on the whole: by which metrics the sets differ, n too small, or open; "" without floors."""
        return joint_verdict(self.rows)

    def value(self, metric: str) -> MetricValue:
        """Return the set's value of a metric by its registered name, such as "fd" or "kid". KeyError if absent."""
        for row in self.rows:
            if row.metric == metric and not row.label:
                return row
        raise KeyError(metric)

    def to_json(self) -> dict[str, Any]:
        """Return file, label, verdict and rows, as metrics.json holds them."""
        rows = [row.to_json() for row in self.rows]
        return {"path": str(self.path), "label": self.label, "verdict": self.verdict, "rows": rows}

    def to_pandas(self) -> DataFrame:
        """Return the rows as a pandas DataFrame: metric, value, low, high, interval, n, network, label."""
        return make_frame([row.to_json() for row in self.rows])

    def _repr_html_(self) -> str:
        return str(table_html(self.table(), heading=self.verdict or self.label))


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Candidates side by side. comparison: values and paired differences. pages: files that were written."""

    comparison: Comparison
    pages: tuple[Path, ...]

    def findings(self) -> list[str]:
        """Return a sentence for each tested difference, with interval and n."""
        return findings(self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return candidates, picks and differences, as quality_comparison.json holds them, and the pages."""
        return {"pages": [str(page) for page in self.pages], **self.comparison.to_json()}

    def to_pandas(self) -> DataFrame:
        """Return a pandas DataFrame with a row for each metric and candidate: value, n, network, verdict."""
        return make_frame(
            [
                {"candidate": line.name, "verdict": line.verdict, **line.stored.value.to_json()}
                for metric in self.comparison.metrics
                for line in metric.lines
            ]
        )

    def _repr_html_(self) -> str:
        return str(lines_html(f"Held against {self.comparison.reference}", self.findings()))


def evaluate(
    generated: Place,
    *,
    phase: str,
    run: Place | None = None,
    real: Place | None = None,
    options: EvaluateOptions | None = None,
    console: Console | None = None,
) -> EvaluateResult:
    """Measure a generated set: FD, KID, SSIM, perceptual distance, artefacts, each with its floor.

    generated: a set, or any folder of images. phase: "I", "P" or "R". Either run, whose held-out photographs are
    compared with, or real, a folder of photographs. options: side, feature networks, two-sample test and all else.
    Every value has n (generated, real) and an interval, or a note that it has none; FD and KID are in squared units of
    the features, SSIM in -1..1, accuracies in 0..1. Writes metrics.json into the set, or to options.out. console: for
    messages and progress; None prints them.
    Raises UserError for sets that cannot be compared, such as photographs that were prepared differently.
    """
    request = EvaluateRequest(
        Path(generated), phase, run=as_path(run), real=as_path(real), options=options or EvaluateOptions()
    )
    from woundgen.workflows.evaluate.job import evaluate_request

    with console or open_console() as opened:
        measured = opened.follow(evaluate_request(request))
    return EvaluateResult(measured.rows, measured.path, measured.label)


def compare(results: Sequence[Place], *, out: Place = "reports") -> CompareResult:
    """Compare two or more measured sets or runs side by side, with paired differences; the first is the reference.

    results: folders of sets with metrics.json, such files, or runs, of which the best evaluation is taken. Differences
    are in the units of their metric, with interval and n. Writes QUALITY_COMPARISON.md, .html and .json into `out`.
    Raises UserError for fewer than two, for photographs prepared differently, and where `out` holds another comparison.
    """
    from woundgen.privacy.private_names import names_of_run, refuse_names

    candidates = read_candidates(as_paths(results))
    searches = [names_of_run(read_json(path / RUN_JSON)) for path in as_paths(results) if (path / RUN_JSON).is_file()]
    refuse_names({QUALITY_COMPARISON: "\n".join(one.name for one in candidates)}, searches)
    comparison = compare_candidates(candidates)
    return CompareResult(comparison, write_comparison(comparison, out=Path(out)))


def sweep(
    adapters: Place | Sequence[Place],
    *,
    phase: str,
    run: Place | None = None,
    real: Place | None = None,
    out: Place = "reports",
    options: SweepOptions | None = None,
    console: Console | None = None,
) -> CompareResult:
    """Draw and measure every combination of adapters, weights, guidance scales and steps on the same seeds; compare.

    adapters: runs or checkpoints. phase, run, real: as in `evaluate`. options: the candidates, images of each, size in
    pixels. out: folder of the pages; sets stay in OUT/sets, and the same call goes on there. Differences have interval
    and n. console: for messages and progress; None prints them.
    Raises UserError for fewer than two candidates.
    """
    request = SweepRequest(
        as_paths(adapters), phase, run=as_path(run), real=as_path(real), options=options or SweepOptions()
    )
    from woundgen.workflows.evaluate.sweep import sweep_request

    with console or open_console() as opened:
        folders = opened.follow(sweep_request(request, out=Path(out)))
    return compare(folders, out=out)
