"""TUNING.md and tuning.html from the record of a study of settings. They show synthetic images alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from woundgen.numbers import write_signed
from woundgen.reporting.charts import Chart, chart
from woundgen.reporting.figures import Bar, Reference, intervals_figure
from woundgen.reporting.html import render
from woundgen.reporting.pictures import Picture
from woundgen.reporting.tables import as_html, as_markdown, escape_markdown
from woundgen.reporting.tuning_figures import Axis, curves_figure, parallel_figure
from woundgen.reporting.tuning_tables import Record, show_value, tables

TITLE = "Settings for these photographs"
MEANINGS = (
    ("KID, FD", "Distance of images and photographs in the features of a network; lower is better, and photographs of "
     "other patients have the value given as theirs."),
    ("selection, confirmation", "Patients that chose among the trials, and patients that only the last comparison saw. "
     "The sealed hold-out took no part."),
    ("interval", "95 % for all comparisons with the starting config together (Bonferroni). Two reasons add up: other "
     "patients (jackknife) and other seeds (three trainings of each configuration)."),
    ("single seed", "A trial's value in the search rests on a single training and was chosen as the lowest of many: it "
     "flatters. Only the confirmation does not."),
    ("violated", "A constraint that a trial did not hold: recall of the photographs, or copies of training "
     "photographs beyond those that chance explains."),
    ("importance", "Share of the variance of the values at the first rung that a setting explains (fANOVA); 5 to 95 % "
     "over resampled trials."),
)  # fmt: skip


def tuning_markdown(record: Record) -> str:
    """Return TUNING.md."""
    parts = [f"# {TITLE}", f"**{escape_markdown(record['sentence'])}**"]
    parts.append("\n".join(f"- {escape_markdown(line)}" for line in record["design"]))
    for heading, table in tables(record):
        parts += [f"## {heading}", as_markdown(table).rstrip()]
    if record["commands"]:
        parts.append("## To go on")
        if record["kind"] != "better":
            parts.append(
                f"{record['chosen']} is not shown to be better: there are no grounds to leave the starting config."
            )
        parts += ["```\n" + "\n".join(record["commands"]) + "\n```"]
    parts += ["## What the words mean", "\n".join(f"- {name}: {escape_markdown(text)}" for name, text in MEANINGS)]
    return "\n\n".join(parts) + "\n"


def tuning_html(record: Record, grids: Sequence[Picture]) -> str:
    """Return the page. grids: images of the leaders, with their names."""
    context = {
        "title": TITLE,
        "sentence": record["sentence"],
        "design": record["design"],
        "tables": [(heading, as_html(table)) for heading, table in tables(record)],
        "wide": parallel_chart(record),
        "figures": _charts(record),
        "grids": grids,
        "meanings": MEANINGS,
    }
    return render("tuning.html.j2", context)


def parallel_chart(record: Record) -> Chart:
    """Return the parallel coordinates of all trials."""
    trials, names = record["trials"], [entry["name"] for entry in record["trials"]]
    axes = [_axis(entry, [trial["values"][entry["key"]] for trial in trials]) for entry in record["space"]]
    values = [trial["curve"][0] for trial in trials]
    axes.append(_value_axis(f"{record['metric']} at rung 1", values))
    marked = names.index(record["chosen"]) if record["chosen"] in names else None
    lowest = names[min(range(len(values)), key=lambda place: values[place])]
    return chart(
        parallel_figure(axes, values, [entry["complete"] for entry in trials], marked=marked, metric=record["metric"]),
        alt=f"A line for each of {len(trials)} trials across {len(axes)} axes; the lowest first value is {lowest}'s.",
        caption="Thin lines: trials that were pruned. The last axis is the value that all trials have, at the first "
        "rung, from a single seed.",
    )


def _axis(dimension: Record, values: Sequence[Any]) -> Axis:
    name = dimension["key"] + (f" / {dimension['ratio_of']}" if dimension["ratio_of"] else "")
    if dimension["choices"]:
        choices = list(dimension["choices"])
        choices += [value for value in values if value not in choices]  # of the starting config, outside of the space
        span = max(1, len(choices) - 1)
        ticks = tuple((place / span, show_value(choice)) for place, choice in enumerate(choices))
        # A little apart, so that trials of the same choice do not hide each other.
        places = (choices.index(value) / span + APART * (number % 5 - 2) for number, value in enumerate(values))
        return Axis(name, tuple(places), ticks)
    low, high = min(dimension["low"], *values), max(dimension["high"], *values)
    scale = math.log if dimension["log"] else float
    width = scale(high) - scale(low) or 1.0
    places = ((scale(value) - scale(low)) / width for value in values)
    middle = math.sqrt(low * high) if dimension["log"] else (low + high) / 2
    ticks = tuple(((scale(value) - scale(low)) / width, f"{value:.3g}") for value in (low, middle, high))
    return Axis(name, tuple(places), ticks)


def _value_axis(name: str, values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    span = high - low or 1.0
    ticks = tuple((place, f"{low + place * span:.3g}") for place in (0.0, 0.5, 1.0))
    return Axis(name, tuple((value - low) / span for value in values), ticks)


def _charts(record: Record) -> list[Chart]:
    charts = []
    confirmed = [entry for entry in record["confirmation"] if entry["difference"]]
    if confirmed:
        bars = [Bar(entry["name"], **_interval(entry["difference"])) for entry in confirmed]
        listed = "; ".join(
            f"{entry['name']} {write_signed(entry['difference']['value'], '.4g')}" for entry in confirmed
        )
        charts.append(
            chart(
                intervals_figure(f"{record['metric']} less the starting config's", bars, references=[ZERO]),
                alt=f"Differences from the starting config with intervals: {listed}.",
                caption=f"Below 0 is better. Confirmation patients, n = {record['confirmation_n']}, three seeds each.",
            )
        )
    if record["importance"]:
        bars = [Bar(entry["key"], entry["value"], entry["low"], entry["high"]) for entry in record["importance"]]
        listed = ", ".join(f"{entry['key']} {entry['value']:.2f}" for entry in record["importance"])
        charts.append(
            chart(
                intervals_figure("Importance of each setting", bars),
                alt=f"Share of the variance that each setting explains: {listed}.",
                caption=f"fANOVA on {len(record['trials'])} trials, a single seed each; bars: 5 to 95 % over resampled "
                "trials. Wide bars say that so few trials cannot rank them.",
            )
        )
    leaders = [entry["name"] for entry in record["leaders"][:4]]
    for label, key in (("validation loss", "losses"), (record["metric"], "rungs")):
        curves = {entry["name"]: entry[key] for entry in record["trials"] if len(entry[key]) > 1}
        if curves:
            charts.append(
                chart(
                    curves_figure(curves, leaders=[name for name in leaders if name in curves], label=label),
                    alt=f"{label} over the share of steps, {len(curves)} trials.",
                    caption=f"{len(curves)} trials, a single seed each, no interval. Grey: trials that do not lead.",
                )
            )
    return charts


APART = 0.012  # of an axis
ZERO = Reference("no difference", 0.0, None, None)


def _interval(difference: Record) -> dict[str, float]:
    return {key: difference[key] for key in ("value", "low", "high")}
