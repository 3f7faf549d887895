"""Candidates side by side: their numbers, and the paired difference of each to the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from woundgen.comparison.candidates import Candidate
from woundgen.comparison.split_difference import (
    SplitDifference,
    measured_difference,
    split_difference,
    verdict,
    why_not_paired,
)
from woundgen.records import METRICS, MetricValue, PairedValue
from woundgen.reporting.stored_metrics import CEILING, FLOOR, REFERENCES, Kind, StoredValue, by_kind, kind


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate's number. difference: to the reference; verdict: in words, or why there is none."""

    name: str
    stored: StoredValue
    floor: MetricValue | None
    ceiling: MetricValue | None
    difference: SplitDifference | None
    verdict: str


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric in one feature network; the reference is the first line where it has the number."""

    kind: Kind
    lines: tuple[Line, ...]

    def first(self) -> Line:
        """The line of the best value, by the metric's direction."""
        sign = -1 if METRICS[self.kind[0]].better == "higher" else 1
        return min(self.lines, key=lambda line: sign * line.stored.value.value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """reference: name of the candidate that the others are held against."""

    reference: str
    candidates: tuple[Candidate, ...]
    metrics: tuple[MetricComparison, ...]

    def differences(self) -> list[tuple[MetricComparison, Line]]:
        """All that were tested."""
        return [(metric, line) for metric in self.metrics for line in metric.lines if line.difference]

    def picks(self) -> list[tuple[MetricComparison, Line]]:
        """The first of each metric that has a direction and that all candidates have; its lead may be chance."""
        return [
            (metric, metric.first())
            for metric in self.metrics
            if METRICS[metric.kind[0]].better != "none" and len(metric.lines) == len(self.candidates)
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "reference": self.reference,
            "picks": [
                {"metric": metric.kind[0], "network": metric.kind[1], "candidate": line.name}
                for metric, line in self.picks()
            ],
            "candidates": [
                {"name": one.name, "digest": one.digest, "rows": [_row_json(stored) for stored in one.values]}
                for one in self.candidates
            ],
            "differences": [
                _difference_json(metric, line) for metric in self.metrics for line in metric.lines if line.verdict
            ],
        }


def compare(candidates: Sequence[Candidate]) -> Comparison:
    """Numbers stand side by side where metric and feature network (by digest) are the same."""
    shown = [[s for s in one.values if s.value.label not in REFERENCES] for one in candidates]
    kinds = {(kind(s.value), s.value.label): None for values in shown for s in values}
    order = list(METRICS)
    ordered = sorted(kinds, key=lambda k: (order.index(k[0][0]), str(k[0][1:]), k[1]))
    metrics = [MetricComparison(one, tuple(_lines(candidates, shown, one, label))) for one, label in ordered]
    return Comparison(candidates[0].name, tuple(candidates), tuple(metrics))


def _lines(
    candidates: Sequence[Candidate], shown: Sequence[Sequence[StoredValue]], one: Kind, label: str
) -> list[Line]:
    found = [
        (candidate, stored)
        for candidate, values in zip(candidates, shown, strict=True)
        for stored in values
        if (kind(stored.value), stored.value.label) == (one, label)
    ]
    reference = found[0] if found[0][0] is candidates[0] else None
    lines = [_line(candidate, stored, reference) for candidate, stored in found]
    return _as_paired(lines, [_paired(candidate, found[0][0], one) for candidate, _ in found[1:]])


def _paired(candidate: Candidate, reference: Candidate, one: Kind) -> PairedValue | None:
    """The difference of this kind that was measured on the images themselves."""
    if candidate.real != reference.real or not reference.digest or candidate.paired_with != reference.digest:
        return None
    return next((row for row in candidate.paired if (row.metric, row.network, row.digest) == one), None)


def _as_paired(lines: list[Line], paired: Sequence[PairedValue | None]) -> list[Line]:
    """The lines with the two values that each difference is of, where all candidates have such.

    A value at equal n is another estimate than a difference over all images: side by side their signs can disagree.
    Its floor and ceiling go with it, for they are at its n.
    """
    known = [row for row in paired if row is not None and row.candidate is not None and row.reference is not None]
    if not known or len(known) < len(paired) or len(paired) < len(lines) - 1:
        return lines
    values = [known[0].reference, *(row.candidate for row in known)]
    return [_at_paired(line, value, known[0].n) for line, value in zip(lines, values, strict=True)]


def _at_paired(line: Line, value: float | None, n: tuple[int, int]) -> Line:
    assert value is not None
    told = replace(
        line.stored.value, value=value, low=None, high=None, n=n,
        interval="none: its difference has one, on all images and photographs; values at equal n are in metrics.json",
    )  # fmt: skip
    return replace(line, stored=replace(line.stored, value=told), floor=None, ceiling=None)


def _line(candidate: Candidate, stored: StoredValue, reference: tuple[Candidate, StoredValue] | None) -> Line:
    values = [other.value for other in candidate.values]
    floor, ceiling = (by_kind(values, label).get(kind(stored.value)) for label in (FLOOR, CEILING))
    difference, told = None, ""
    if reference and candidate is not reference[0]:
        difference, told = _against(candidate, stored, *reference)
    return Line(candidate.name, stored, floor, ceiling, difference, told)


def _against(
    candidate: Candidate, stored: StoredValue, other: Candidate, reference: StoredValue
) -> tuple[SplitDifference | None, str]:
    if (paired := _paired(candidate, other, kind(stored.value))) is not None:
        difference = measured_difference(paired)
        return difference, verdict(difference, metric=paired.metric, n=paired.n)
    if reason := why_not_paired(reference, stored, same_real_set=candidate.real == other.real):
        return None, f"not tested: {reason}"
    difference = split_difference(reference.splits, stored.splits)
    return difference, verdict(difference, metric=stored.value.metric, n=stored.value.n)


def _row_json(stored: StoredValue) -> dict[str, Any]:
    return {**stored.value.to_json(), "version": stored.version, "splits": list(stored.splits)}


def _difference_json(metric: MetricComparison, line: Line) -> dict[str, Any]:
    name, network, digest = metric.kind
    where = {"metric": name, "network": network, "digest": digest, "candidate": line.name, "verdict": line.verdict}
    measured = asdict(line.difference) if line.difference else None
    return {**where, "n": list(line.stored.value.n), "difference": measured}
