"""One run as its section of the page needs it: headings, sentences, tables and charts."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from woundgen.records import METRICS, MetricValue
from woundgen.reporting.charts import Chart, screening_chart, training_charts
from woundgen.reporting.metric_explanations import joint_verdict, meanings
from woundgen.reporting.metric_table import bounds, metric_table, number, title
from woundgen.reporting.report_data import Facts, ReportContent, RunFacts
from woundgen.reporting.stored_metrics import FLOOR, kind
from woundgen.reporting.tables import Table, as_html

PHASE_TITLES = {"I": "Phase I (inflammatory)", "P": "Phase P (proliferative)", "R": "Phase R (remodeling)"}
_STATUS = {
    "finished": "The run finished.",
    "stopped": "The run was stopped before its planned end.",
    "running": "The run is not finished: what follows is preliminary.",
}
Summary = tuple[str, str, str]  # name, value, what stands below it


@dataclass(frozen=True, slots=True)
class Measured:
    """verdict: one sentence on the whole set, empty where nothing can be held against a floor."""

    label: str
    table: Markup
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """What templates/report.html.j2 shows of a run."""

    heading: str
    sentence: str
    summary: tuple[Summary, ...]
    content: ReportContent
    measured: tuple[Measured, ...]
    meanings: tuple[tuple[str, str], ...]
    screening: tuple[Chart, ...]
    charts: tuple[Chart, ...]
    counts: Markup | None
    origin: Facts
    settings: tuple[tuple[str, Facts], ...]


def run_view(content: ReportContent) -> RunView:
    run = content.run
    tables = [(m.label, metric_table(m.values, source=m.label, grades=content.grades)) for m in content.measurements]
    screened = [one for one in content.sets if one.screened]
    return RunView(
        heading=heading(run),
        sentence=status_sentence(run),
        summary=summary(content),
        content=content,
        measured=tuple(
            Measured(label, as_html(table), joint_verdict(one.values))
            for (label, table), one in zip(tables, content.measurements, strict=True)
        ),
        meanings=meanings([value for m in content.measurements for value in m.values]),
        screening=tuple(screening_chart(one) for one in screened),
        charts=training_charts(content),
        counts=as_html(counts_table(run)) if run.counts else None,
        origin=origin(run),
        settings=(
            ("Plan", run.plan),
            ("Configuration", run.config),
            ("Seconds spent", run.seconds),
            ("Versions", run.versions),
        ),
    )


def heading(run: RunFacts) -> str:
    return ", ".join(PHASE_TITLES.get(phase, f"Phase {phase}") for phase in run.phases) + f": {run.name}"


def status_sentence(run: RunFacts) -> str:
    status = _STATUS.get(run.status, f"Status of the run: {run.status}.")
    counts = sum(count.get("train", 0) for _, count in run.counts)
    return f"{status} Base model {run.base}, trained on {counts} images." if counts else status


def summary(content: ReportContent) -> tuple[Summary, ...]:
    """The few numbers to read first."""
    run, found = content.run, []
    for value in (v for m in content.measurements for v in m.values if not v.label):
        if value.metric in ("fd", "fid", "gap_closed"):
            found.append(_measured(value, content))
    if run.best:
        name = METRICS[run.best.metric].title
        weights = "EMA" if run.best.weights == "ema" else run.best.weights
        found.append(
            (f"Kept as best, by {name}", f"step {run.best.step}", f"{number(run.best.value)}, {weights} weights")
        )
    if content.sets:
        accepted, drawn = (sum(getattr(s, key) for s in content.sets) for key in ("accepted", "drawn"))
        found.append(("Images accepted", str(accepted), f"of {drawn} drawn"))
    if run.trainable:
        share = f"{run.trainable / run.total:.1%} of {run.total:,}" if run.total else ""
        found.append(("Trained parameters", f"{run.trainable:,}", share))
    return tuple(found)


def _measured(value: MetricValue, content: ReportContent) -> Summary:
    floors = [v for m in content.measurements for v in m.values if v.label == FLOOR and kind(v) == kind(value)]
    against = f"floor {number(floors[0].value)}, " if floors else ""
    return title(value), number(value.value), f"{against}interval {bounds(value)}, n = {value.n[0]}"


def counts_table(run: RunFacts) -> Table:
    splits = list(dict.fromkeys(split for _, counts in run.counts for split in counts))
    rows = tuple((phase, *(str(counts.get(split, 0)) for split in splits)) for phase, counts in run.counts)
    return Table(("Images by phase", *splits), rows)


def origin(run: RunFacts) -> Facts:
    return (
        ("started", run.created),
        ("command", run.command or "not recorded"),
        ("base model", run.base),
        ("commit", run.commit),
    )
