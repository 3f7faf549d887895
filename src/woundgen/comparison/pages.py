"""A comparison as Markdown and as one HTML page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from woundgen.comparison.choice import choose
from woundgen.comparison.compare import Comparison, Line, MetricComparison
from woundgen.comparison.split_difference import DECIDED
from woundgen.numbers import choose_form, write_interval, write_number, write_signed
from woundgen.records import METRICS
from woundgen.reporting.charts import Chart, chart
from woundgen.reporting.figures import Bar, Reference, intervals_figure
from woundgen.reporting.grades import grade
from woundgen.reporting.html import render
from woundgen.reporting.metric_explanations import MEANINGS
from woundgen.reporting.metric_table import ARROWS, bounds, n_of, reference_cell, title
from woundgen.reporting.tables import Table, as_html, as_markdown, escape_markdown


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric's part of the page."""

    heading: str
    meaning: str
    chart: Chart
    table: Markup


def comparison_markdown(comparison: Comparison, *, title: str) -> str:
    """QUALITY_COMPARISON.md."""
    choice = choose(comparison)
    parts = [f"# {escape_markdown(title)}", f"**{escape_markdown(choice.word)}** {escape_markdown(choice.text)}"]
    parts += [escape_markdown(introduction(comparison))]
    parts += ["\n".join(f"- {escape_markdown(line)}" for line in findings(comparison))]
    for metric in comparison.metrics:
        parts += [f"## {escape_markdown(heading(metric))}", escape_markdown(MEANINGS[metric.kind[0]])]
        parts += [as_markdown(metric_lines(metric, comparison.reference)).rstrip()]
    return "\n\n".join(parts) + "\n"


def comparison_page(comparison: Comparison, *, title: str) -> str:
    """The HTML page: the same, with charts and the first images of each candidate that was screened for copies."""
    views = [
        MetricView(
            heading(metric),
            MEANINGS[metric.kind[0]],
            _chart(metric),
            as_html(metric_lines(metric, comparison.reference)),
        )
        for metric in comparison.metrics
    ]
    choice = choose(comparison)
    context = {
        "title": title,
        "word": choice.word,
        "advice": choice.text,
        "tone": choice.tone,
        "introduction": introduction(comparison),
        "findings": findings(comparison),
        "metrics": views,
        "candidates": [one for one in comparison.candidates if one.pictures],
    }
    return render("comparison.html.j2", context)


def unscreened_page(comparison: Comparison, *, title: str) -> str:
    """The private page: the first images of the candidates among which copies may be; empty where there are none."""
    candidates = [item for item in comparison.candidates if item.pictures and not item.is_shareable]
    return render("comparison_private.html.j2", {"title": title, "candidates": candidates}) if candidates else ""


def introduction(comparison: Comparison) -> str:
    others = ", ".join(f"“{one.name}”" for one in comparison.candidates[1:])
    return (
        f"The reference is “{comparison.reference}”; held against it: {others}. "
        "Differences are paired: both were measured on the same photographs at equal n, and where they were "
        "drawn here, on the same seeds, so that the luck of either drops out. What the interval of a difference "
        "is stands below its table; where it covers 0, no difference is shown."
    )


def findings(comparison: Comparison) -> list[str]:
    """A line for each tested difference, and what chance alone would give."""
    tested = comparison.differences()
    picks = [
        f"{heading(metric)}: the best value is that of “{line.name}”, "
        f"{write_number(line.stored.value.value)}{_lead(line)}."
        for metric, line in comparison.picks()
        if len(metric.lines) > 2
    ]
    lines = [*picks, *(f"{heading(metric)}: {_finding(line, comparison.reference)}" for metric, line in tested)]
    if not tested:
        return [*picks, "No difference could be tested; the tables say why for each."]
    by_chance = f"{len(tested)} differences were tested" if len(tested) > 1 else "One difference was tested"
    return [*lines, f"{by_chance}. The more are tested, the more look real by chance alone."]


def _lead(line: Line) -> str:
    """Whether what stands first could stand there by chance, as far as it was tested."""
    if line.difference is None:
        return ""
    if line.verdict not in DECIDED:
        return f" ({line.verdict})"
    return f" ({line.verdict} than the reference)"


def _finding(line: Line, reference: str) -> str:
    if line.verdict not in DECIDED:
        return f"{line.verdict}: “{line.name}” and “{reference}”, {_difference(line)}."
    return f"“{line.name}” is {line.verdict} than “{reference}”: {_difference(line)}."


def heading(metric: MetricComparison) -> str:
    return title(metric.lines[0].stored.value)


def metric_lines(metric: MetricComparison, reference: str) -> Table:
    header = (
        "Candidate",
        f"Value {ARROWS[METRICS[metric.kind[0]].better]}",
        "Interval",
        "Floor (real halves)",
        "Ceiling (autoencoder)",
        "n",
        "Grade asked for",
        "Difference to the reference",
        "Verdict",
    )
    rows = tuple(
        (
            line.name,
            write_number(line.stored.value.value),
            bounds(line.stored.value),
            reference_cell(line.floor, line.stored.value),
            reference_cell(line.ceiling, line.stored.value),
            n_of(line.stored.value),
            grade(line.stored.value, line.floor),
            _difference(line),
            line.verdict or ("reference" if line.name == reference else "the reference lacks this number"),
        )
        for line in metric.lines
    )
    return Table(header, rows, _notes(metric)).without_empty_columns()


def _difference(line: Line) -> str:
    if line.difference is None:
        return ""
    mean, low, high = line.difference.mean, line.difference.low, line.difference.high
    form = choose_form(max(abs(low), abs(high)))
    p = "" if line.difference.p is None else f", p = {line.difference.p:.2g}"
    return f"{write_signed(mean, form)} ({write_interval(low, high, form)}{p})"


def _notes(metric: MetricComparison) -> tuple[str, ...]:
    _, network, digest = metric.kind
    intervals = dict.fromkeys(line.stored.value.interval for line in metric.lines)
    features = (f"Features: {network} {(digest or '')[:8]}.",) if network else ()
    differences = dict.fromkeys(line.difference.text for line in metric.lines if line.difference)
    paired = (f"Interval of the difference: {'; '.join(differences)}.",) if differences else ()
    return (f"Interval of the value: {'; '.join(intervals)}.", *paired, *features)


def _chart(metric: MetricComparison) -> Chart:
    values = [line.stored.value for line in metric.lines]
    bars = [Bar(line.name, v.value, v.low, v.high) for line, v in zip(metric.lines, values, strict=True)]
    references = [
        Reference(name, value.value, value.low, value.high)
        for name, value in (("floor", metric.lines[0].floor), ("ceiling", metric.lines[0].ceiling))
        if value
    ]
    told = ", ".join(f"{bar.name} {write_number(bar.value)}" for bar in bars)
    return chart(
        intervals_figure(heading(metric), bars, references=references),
        alt=f"{heading(metric)}: {told}.",
        caption="Dots: values; bars: their intervals, which do not show whether a paired difference is real.",
    )
