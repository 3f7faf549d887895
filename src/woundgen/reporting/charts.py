"""The charts of a report, as images that stand inside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from woundgen.numbers import write_number
from woundgen.records import METRICS, MetricValue
from woundgen.reporting import figures
from woundgen.reporting.dark_charts import add_dark_colours
from woundgen.reporting.figures import Reference, Series
from woundgen.reporting.metric_table import title
from woundgen.reporting.pictures import data_uri
from woundgen.reporting.report_data import NOT_NEEDED, ReportContent, SetFacts, StoredEvaluation, TrainingLog
from woundgen.reporting.stored_metrics import CEILING, FLOOR, Kind, kind


@dataclass(frozen=True, slots=True)
class Chart:
    """source: a data URI. alt: what the chart shows, in words and numbers. caption: how to read it."""

    source: str
    alt: str
    caption: str


def chart(figure: Figure, *, alt: str, caption: str) -> Chart:
    return Chart(data_uri(add_dark_colours(figures.svg_bytes(figure)), "image/svg+xml"), alt, caption)


def training_charts(content: ReportContent) -> tuple[Chart, ...]:
    """Training loss, then a chart for each metric in eval.jsonl, in the order of the registry."""
    charts = [_loss_chart(content.log)] if content.log.steps else []
    kinds = {kind(value): None for e in content.evaluations for value in e.values}
    order = list(METRICS)
    best = content.run.best
    for one in sorted(kinds, key=lambda k: (order.index(k[0]), str(k[1]))):
        if len({e.step for e in content.evaluations for v in e.values if kind(v) == one}) < 2:
            continue  # a point is no curve; its value stands in the history
        step = best.step if best and best.metric == one[0] else None
        charts.append(_metric_chart(one, content.evaluations, step))
    return tuple(charts)


def _loss_chart(log: TrainingLog) -> Chart:
    last = next((loss for loss in reversed(log.losses) if loss == loss), float("nan"))
    return chart(
        figures.loss_figure(log.steps, log.losses, log.learning_rates),
        alt=f"Training loss over {len(log.steps)} logged steps up to step {log.steps[-1]}; the last is {last:.4g}.",
        caption="Each step sees other noise, so the thin line jumps; the thick one is its running mean.",
    )


def _metric_chart(one: Kind, evaluations: Sequence[StoredEvaluation], best: int | None) -> Chart:
    rows = [(e, v) for e in evaluations for v in e.values if kind(v) == one]
    series = tuple(_series(w, [(e, v) for e, v in rows if e.weights == w and not v.label]) for w in ("raw", "ema"))
    series = tuple(s for s in series if s.steps)
    levels = [_level(name, [v for _, v in rows if v.label == name]) for name in (FLOOR, CEILING)]
    references = [level for level in levels if level]
    values = [v for _, v in rows if not v.label] or [v for _, v in rows]
    name = title(values[0])
    ends = "; ".join(
        f"{s.name} {write_number(s.values[0])} at first, {write_number(s.values[-1])} at last" for s in series
    )
    against = "".join(f"; {level.name} {write_number(level.value)}" for level in references)
    return chart(
        figures.metric_figure(name, series, references=references, best=best),
        alt=f"{name} over the steps of training: {ends}{against}.",
        caption=_caption(values[0]),
    )


def _caption(value: MetricValue) -> str:
    way = {"lower": "Lower is better.", "higher": "Higher is better.", "none": "Nearest to the floor is best."}
    band = "" if value.low is None else f" Band: {value.interval}."
    left, right = value.n
    count = f"n = {left}" if left == right else f"n = {left} and {right}"
    return f"{way[METRICS[value.metric].better]} {count}.{band}"


def _series(weights: str, rows: Sequence[tuple[StoredEvaluation, MetricValue]]) -> Series:
    ordered = sorted(rows, key=lambda row: row[0].step)
    return Series(
        weights,
        tuple(e.step for e, _ in ordered),
        tuple(v.value for _, v in ordered),
        tuple(v.low for _, v in ordered),
        tuple(v.high for _, v in ordered),
    )


def _level(name: str, values: Sequence[MetricValue]) -> Reference | None:
    """The last one measured: floors of one run are taken on the same photographs every time."""
    return Reference(name, values[-1].value, values[-1].low, values[-1].high) if values else None


def screening_chart(one: SetFacts) -> Chart:
    counts: Mapping[str, int] = {"accepted": one.accepted, **dict(one.reasons)}
    if one.surplus:
        counts = {**counts, NOT_NEEDED: one.surplus}
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return chart(
        figures.counts_figure(f"What became of {one.drawn} drawn images", counts, aside=(NOT_NEEDED,)),
        alt=f"Of {one.drawn} drawn images: {told}.",
        caption="Blue: kept. Orange: rejected, by the first reason that applied.",
    )
