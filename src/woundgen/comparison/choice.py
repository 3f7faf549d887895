"""Which of the compared candidates to take, as far as their differences say."""

from __future__ import annotations

from dataclasses import dataclass

from woundgen.comparison.compare import Comparison
from woundgen.reporting.metric_table import title


@dataclass(frozen=True, slots=True)
class Choice:
    """word: the answer in a few words. text: why. tone: good where a candidate is clearly better, else open."""

    word: str
    text: str
    tone: str


def choose(comparison: Comparison) -> Choice:
    """Name the candidates that are better than the reference in a metric and worse in none.

    Candidates are held against the reference alone; two that are both better are not ranked.
    """
    tested = comparison.differences()
    if not tested:
        return Choice("Open.", "No difference could be tested; the tables say why.", "open")
    better, worse = (_metrics_by_candidate(comparison, verdict) for verdict in ("better", "worse"))
    clear = {name: metrics for name, metrics in better.items() if name not in worse}
    if len(clear) == 1:
        [(name, metrics)] = clear.items()
        text = f"It is better than “{comparison.reference}” in {', '.join(metrics)}, and worse in nothing tested."
        return Choice(f"Take “{name}”.", text, "good")
    if clear:
        names = ", ".join(f"“{name}”" for name in clear)
        text = f"{names} are better than “{comparison.reference}” in a number each and worse in nothing tested."
        return Choice("One of several.", f"{text} Compare them with each other to choose.", "good")
    mixed = [
        f"“{name}” is better in {', '.join(m)} and worse in {', '.join(worse[name])}" for name, m in better.items()
    ]
    if mixed:
        return Choice("It depends.", f"{'; '.join(mixed)}.", "open")
    if worse:
        names = "; ".join(f"“{name}” is worse in {', '.join(metrics)}" for name, metrics in worse.items())
        return Choice(f"Keep “{comparison.reference}”.", f"Nothing is better than it; {names}.", "good")
    text = f"Differences tested: {len(tested)}. Take the cheaper to draw, or measure more images."
    return Choice("No difference shown.", text, "open")


def _metrics_by_candidate(comparison: Comparison, verdict: str) -> dict[str, list[str]]:
    """Candidate -> titles of the metrics whose difference to the reference has this verdict."""
    titles: dict[str, list[str]] = {}
    for metric, line in comparison.differences():
        if line.verdict == verdict:
            titles.setdefault(line.name, []).append(title(metric.lines[0].stored.value))
    return titles
