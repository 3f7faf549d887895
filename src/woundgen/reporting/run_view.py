"""One run as its section of the page needs it: headings, sentences, tables and charts."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from woundgen.config.train import TrainConfig
from woundgen.numbers import write_number
from woundgen.records import METRICS, MetricValue
from woundgen.reporting.charts import Chart, screening_chart, training_charts
from woundgen.reporting.masking import shown
from woundgen.reporting.metric_explanations import joint_verdict, meanings
from woundgen.reporting.metric_table import bounds, metric_table, numbers_table, title
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
class MeasuredView:
    """A measurement. numbers: under plain names; table: all of each number, with its interval's kind.

    verdict: a sentence on the whole set, empty where nothing can be held against a floor.
    """

    label: str
    numbers: Markup
    table: Markup
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """The values of a run that templates/report.html.j2 shows."""

    heading: str
    sentence: str
    summary: tuple[Summary, ...]
    content: ReportContent
    measured: tuple[MeasuredView, ...]
    meanings: tuple[tuple[str, str], ...]
    reasons: tuple[Chart, ...]
    charts: tuple[Chart, ...]
    counts: Markup | None
    origin: Facts
    settings: tuple[tuple[str, Facts], ...]
    changed: Facts


def run_view(content: ReportContent) -> RunView:
    run = content.run
    tables = [(m.label, metric_table(m.values, source=m.label, grades=content.grades)) for m in content.measurements]
    screened = [facts for facts in content.sets if facts.screened]
    return RunView(
        heading=heading(run),
        sentence=status_sentence(run),
        summary=summary(content),
        content=content,
        measured=tuple(
            MeasuredView(label, as_html(numbers_table(m.values)), as_html(table), joint_verdict(m.values))
            for (label, table), m in zip(tables, content.measurements, strict=True)
        ),
        meanings=meanings([value for m in content.measurements for value in m.values]),
        reasons=tuple(screening_chart(facts) for facts in screened),
        charts=training_charts(content),
        counts=as_html(counts_table(run)) if run.counts else None,
        origin=origin(run),
        settings=(
            ("Plan", run.plan),
            ("Configuration", run.config),
            ("Seconds spent", run.seconds),
            ("Versions", run.versions),
        ),
        changed=changed_settings(run.config),
    )


def changed_settings(config: Facts) -> Facts:
    """Return the settings whose shown value is not the default's."""
    defaults = {name: shown(name, value) for name, value in TrainConfig().flat().items()}
    return tuple((name, value) for name, value in config if defaults.get(name, value) != value)


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
            (f"Kept as best, by {name}", f"step {run.best.step}", f"{write_number(run.best.value)}, {weights} weights")
        )
    if content.sets:
        accepted, drawn = (sum(getattr(s, key) for s in content.sets) for key in ("accepted", "drawn"))
        found.append(("Images accepted", str(accepted), f"of {drawn} drawn"))
    return tuple(found)


def _measured(value: MetricValue, content: ReportContent) -> Summary:
    floors = [v for m in content.measurements for v in m.values if v.label == FLOOR and kind(v) == kind(value)]
    against = f"floor {write_number(floors[0].value)}, " if floors else ""
    return title(value), write_number(value.value), f"{against}interval {bounds(value)}, n = {value.n[0]}"


def counts_table(run: RunFacts) -> Table:
    splits = list(dict.fromkeys(split for _, counts in run.counts for split in counts))
    rows = tuple((phase, *(str(counts.get(split, 0)) for split in splits)) for phase, counts in run.counts)
    return Table(("Images by phase", *splits), rows)


def _parameters(run: RunFacts) -> str:
    if not run.trainable:
        return "not recorded"
    return f"{run.trainable:,}" + (f", {run.trainable / run.total:.1%} of {run.total:,}" if run.total else "")


def origin(run: RunFacts) -> Facts:
    return (
        ("started", run.created),
        ("command", run.command or "not recorded"),
        ("base model", run.base),
        ("trained parameters", _parameters(run)),
        ("commit", run.commit),
    )
