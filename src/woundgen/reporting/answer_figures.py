"""The pictures of a report's answers: distance to photographs, and what became of the drawn images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from woundgen.numbers import write_number
from woundgen.records import MetricValue
from woundgen.reporting.charts import Chart, chart
from woundgen.reporting.figures import BLUE, GREEN, GREY, STYLE
from woundgen.reporting.metric_table import title
from woundgen.reporting.report_data import NOT_NEEDED, Measurement, SetFacts
from woundgen.reporting.stored_metrics import CEILING, FLOOR, by_kind, kind

WIDTH = 4.2  # inches
# Of bars with numbers on them: the same in a dark page, so not among the colours that change there.
_FILLS, _INKS = ("#0071b3", "#e6a000", "#c85000", "#b9cfe0"), ("#fefefe", "#010101", "#fefefe", "#010101")
FATES = ("in the set", "unlike photographs", "held back as copies", NOT_NEEDED)


@dataclass(frozen=True, slots=True)
class Distance:
    """A set's Fréchet distance with its references, all in multiples of its floor."""

    name: str
    value: float
    low: float | None
    high: float | None
    floor: tuple[float, float] | None
    ceiling: float | None


def distance_chart(measurements: Sequence[Measurement]) -> Chart | None:
    """Draw each set's FID or FD in multiples of the distance between two halves of the photographs."""
    rows = [(m.label, value) for m in measurements if (value := _frechet(m.values)) is not None]
    distances = [
        _distance(label, value, next(m.values for m in measurements if m.label == label)) for label, value in rows
    ]
    if not distances:
        return None
    measured = "; ".join(f"{d.name}: {write_number(d.value)} times" for d in distances)
    return chart(
        distance_figure(f"{title(rows[0][1])}, in multiples of the floor", distances),
        alt=f"{title(rows[0][1])} as a multiple of that between two halves of the photographs. {measured}.",
        caption="1 is how far two halves of the photographs lie apart (grey: its interval). Further right is worse.",
    )


def _frechet(values: Sequence[MetricValue]) -> MetricValue | None:
    floors = by_kind(values, FLOOR)
    usable = [kind_of for kind_of, floor in floors.items() if kind_of[0] in ("fid", "fd") and floor.value]
    return next((value for value in values if not value.label and kind(value) in usable), None)


def _distance(name: str, value: MetricValue, values: Sequence[MetricValue]) -> Distance:
    floor, ceiling = by_kind(values, FLOOR)[kind(value)], by_kind(values, CEILING).get(kind(value))
    unit = floor.value
    return Distance(
        name,
        value.value / unit,
        None if value.low is None else value.low / unit,
        None if value.high is None else value.high / unit,
        None if floor.low is None or floor.high is None else (floor.low / unit, floor.high / unit),
        None if ceiling is None else ceiling.value / unit,
    )


def distance_figure(heading: str, distances: Sequence[Distance]) -> Figure:
    """A line a set: the grey band is the floor's interval, the green tick the ceiling, the dot the set."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.45 + 0.42 * len(distances)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1, color=GREY, linestyle=":", linewidth=1.4, label="photographs (floor)")
        for row, distance in enumerate(distances):
            if distance.floor is not None:
                axes.fill_betweenx([row - 0.3, row + 0.3], *distance.floor, color=GREY, alpha=0.22, linewidth=0)
            if distance.ceiling is not None:
                axes.plot(
                    [distance.ceiling] * 2, [row - 0.3, row + 0.3], color=GREEN, linewidth=2,
                    label="after the autoencoder (ceiling)" if row == 0 else None,
                )  # fmt: skip
            if distance.low is not None and distance.high is not None:
                axes.plot([distance.low, distance.high], [row, row], color=BLUE, linewidth=2.2, alpha=0.55)
            axes.plot(distance.value, row, "o", color=BLUE, markersize=7, label="these images" if row == 0 else None)
        axes.set_yticks(range(len(distances)), [distance.name for distance in distances])
        axes.set(title=heading, ylim=(len(distances) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def fate_chart(sets: Sequence[SetFacts]) -> Chart | None:
    """Draw what became of every image that was drawn, a bar a set; None where nothing was screened."""
    screened = [facts for facts in sets if facts.screened]
    if not screened:
        return None
    fates = {facts.name: _fates(facts) for facts in screened}
    in_words = "; ".join(
        f"{name}: " + ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        for name, counts in fates.items()
    )
    return chart(
        fates_figure("What became of the drawn images", fates),
        alt=f"What became of the drawn images. {in_words}.",
        caption="Held back: more places of the image agree with a training photograph than strangers' photographs do.",
    )


def _fates(facts: SetFacts) -> dict[str, int]:
    rejected = sum(count for _, count in facts.reasons) - facts.held_back
    return dict(zip(FATES, (facts.accepted, rejected, facts.held_back, facts.surplus), strict=True))


def fates_figure(heading: str, fates: Mapping[str, Mapping[str, int]]) -> Figure:
    """A stacked bar a set, numbers inside where they fit."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.35 + 0.42 * len(fates)), layout="constrained")
        axes = figure.subplots()
        most = max(sum(counts.values()) for counts in fates.values())
        for row, counts in enumerate(fates.values()):
            left = 0
            for fate, colour, ink in zip(FATES, _FILLS, _INKS, strict=True):
                count = counts[fate]
                axes.barh(row, count, left=left, color=colour, height=0.62, label=fate if row == 0 else None)
                if count >= 0.07 * most:
                    axes.text(left + count / 2, row, str(count), ha="center", va="center", fontsize=8, color=ink)
                left += count
        axes.set_yticks(range(len(fates)), list(fates))
        axes.set(title=heading, ylim=(len(fates) - 0.4, -0.6))
        axes.grid(visible=False)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=2)
    return figure
