"""TRAINING_REPORT_phase_X.md: a run in plain Markdown, as fit to be shared as report.html."""

from __future__ import annotations

import math
from collections.abc import Sequence

from woundgen.numbers import write_number
from woundgen.records import METRICS
from woundgen.reporting.metric_explanations import joint_verdict, meanings
from woundgen.reporting.metric_table import metric_table, title
from woundgen.reporting.report_data import NOT_NEEDED, Facts, ReportContent, SetFacts, StoredEvaluation, TrainingLog
from woundgen.reporting.run_view import counts_table, heading, origin, status_sentence, summary
from woundgen.reporting.stored_metrics import FLOOR, kind
from woundgen.reporting.tables import Table, as_markdown, escape_markdown


def training_report(content: ReportContent) -> str:
    """Raises UserError where FD, FID or KID stands without its floor."""
    run = content.run
    parts = [f"# Training report: {escape_markdown(heading(run))}", escape_markdown(status_sentence(run))]
    parts += _bullets([f"{name}: {value}" + (f" ({more})" if more else "") for name, value, more in summary(content)])
    if run.warnings:
        parts += ["## Warnings of the plan", *_bullets(run.warnings)]
    for measured in content.measurements:
        parts += [f"## Measured: {escape_markdown(measured.label)}"]
        parts += _bold(joint_verdict(measured.values))
        parts += [as_markdown(metric_table(measured.values, source=measured.label, grades=content.grades)).rstrip()]
    told = meanings([value for measured in content.measurements for value in measured.values])
    if told:
        parts += ["### What these numbers mean", *(f"**{escape_markdown(n)}.** {escape_markdown(t)}" for n, t in told)]
    for one in content.sets:
        parts += _screening(one)
    parts += _histories(content)
    parts += ["## Plan and settings"]
    if run.counts:
        parts += [as_markdown(counts_table(run)).rstrip()]
    settings = (("Origin", origin(run)), ("Plan", run.plan), ("Configuration", run.config))
    for name, facts in (*settings, ("Seconds spent", run.seconds), ("Versions", run.versions)):
        parts += _facts(name, facts)
    return "\n\n".join(parts) + "\n"


def _bold(sentence: str) -> list[str]:
    return [f"**{escape_markdown(sentence)}**"] if sentence else []


def _bullets(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {escape_markdown(line)}" for line in lines)] if lines else []


def _facts(name: str, facts: Facts) -> list[str]:
    return [as_markdown(Table((name, "value"), facts)).rstrip()] if facts else []


def _screening(one: SetFacts) -> list[str]:
    counts = [("drawn", one.drawn), ("accepted", one.accepted), *((f"rejected: {r}", c) for r, c in one.reasons)]
    if one.surplus:
        counts.append((NOT_NEEDED, one.surplus))
    rows = tuple((name, str(count), f"{count / one.drawn:.0%}") for name, count in counts)
    parts = [f"## Generated set: {escape_markdown(one.name)}"]
    if not one.copies_sought:
        parts += ["These images were not screened for copies of all training photographs."]
    parts += [as_markdown(Table(("Images", "count", "share"), rows)).rstrip()]
    return parts


def _histories(content: ReportContent) -> list[str]:
    """The training loss at each evaluation, and a column for each metric and kind of weights."""
    if not content.evaluations:
        return []
    return ["## History", as_markdown(history_table(content.evaluations, content.log)).rstrip()]


def history_table(evaluations: Sequence[StoredEvaluation], log: TrainingLog) -> Table:
    """Rows by step; cells are values, and their n, intervals, networks and floors stand in the notes."""
    order = list(METRICS)
    columns = {(kind(v), e.weights): title(v) for e in evaluations for v in e.values if not v.label}
    ordered = sorted(columns, key=lambda c: (order.index(c[0][0]), c[1] != "raw", str(c[0][1])))
    cells = {(e.step, kind(v), e.weights): write_number(v.value) for e in evaluations for v in e.values if not v.label}
    steps = sorted({e.step for e in evaluations})
    rows = tuple(
        (str(step), _mean_loss(log, before, step), *(cells.get((step, *column), "") for column in ordered))
        for before, step in zip([-1, *steps], steps, strict=False)
    )
    names = (f"{columns[c]}, {'EMA' if c[1] == 'ema' else c[1]}" for c in ordered)
    header = ("Step", "Training loss since the row above", *names)
    return Table(header, rows, _history_notes(evaluations)).without_empty_columns()


def _mean_loss(log: TrainingLog, after: int, until: int) -> str:
    losses = zip(log.steps, log.losses, strict=True)
    found = [loss for step, loss in losses if after < step <= until and math.isfinite(loss)]
    return write_number(sum(found) / len(found)) if found else ""


def _history_notes(evaluations: Sequence[StoredEvaluation]) -> tuple[str, ...]:
    """Describe each metric's column: n, network, interval, and its floor."""
    values = [v for e in evaluations for v in e.values]
    floors = {kind(v): v for v in values if v.label == FLOOR}
    notes = []
    for one in {kind(v): v for v in values if not v.label}.values():
        network = f", features {one.network} {(one.digest or '')[:8]}" if one.network else ""
        floor = floors.get(kind(one))
        against = f", floor {write_number(floor.value)}" if floor else ""
        left, right = one.n
        n = f"n = {left}" if left == right else f"n = {left} and {right}"
        notes.append(f"{title(one)}: {n}{network}{against}; interval in the charts: {one.interval}.")
    return tuple(notes)
