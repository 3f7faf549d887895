"""Readers' answers as arrays, beside what each picture is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from woundgen.study.checks import passed
from woundgen.study.design import CHECK, SYNTHETIC
from woundgen.study.files import Truth
from woundgen.study.merit import Array, Cases
from woundgen.study.readers import number_groups

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """First showings of every picture, [J, N], NaN where not answered; items and readers in the order of their names.

    calls: 1 synthetic, 0 real. ratings: -5 (surely real) .. 5 (surely synthetic), without 0. phases: index into
    phase_names, or their number for "cannot say". plausibility: 1..5. seconds: NaN where no time was taken.
    again: of the second showings, [J, N, 3]: call, phase, plausibility. checks: reader -> (passed, answered).
    """

    readers: tuple[str, ...]
    items: tuple[str, ...]
    truth: tuple[Truth, ...]
    cases: Cases
    phase_names: tuple[str, ...]
    calls: Array
    ratings: Array
    phases: Array
    plausibility: Array
    seconds: Array
    again: Array
    checks: Mapping[str, tuple[int, int]]

    def true_phases(self) -> npt.NDArray[np.intp]:
        """[N] index into phase_names."""
        return np.array([self.phase_names.index(one.phase) for one in self.truth], int)

    def answered(self) -> npt.NDArray[np.bool_]:
        """[J, N]"""
        return np.isfinite(self.calls)

    def only(self, rows: npt.NDArray[np.bool_]) -> Readings:
        """The pictures of `rows` alone."""
        truth = tuple(one for one, kept in zip(self.truth, rows, strict=True) if kept)
        items = tuple(one for one, kept in zip(self.items, rows, strict=True) if kept)
        return replace(
            self,
            items=items,
            truth=truth,
            cases=_cases(truth),
            calls=self.calls[:, rows],
            ratings=self.ratings[:, rows],
            phases=self.phases[:, rows],
            plausibility=self.plausibility[:, rows],
            seconds=self.seconds[:, rows],
            again=self.again[:, rows],
        )


def gather_readings(truth: Mapping[str, Truth], answers: Mapping[str, Rows], *, phase_names: Sequence[str]) -> Readings:
    """answers: reader -> the standing answers in order. Readers without an answer are left out."""
    readers = tuple(sorted((name for name, rows in answers.items() if rows), key=_by_number))
    items = tuple(sorted(name for name, one in truth.items() if one.kind != CHECK))
    place = {name: number for number, name in enumerate(items)}
    first = np.full((5, len(readers), len(items)), np.nan)
    again = np.full((len(readers), len(items), 3), np.nan)
    checks = {}
    for number, reader in enumerate(readers):
        right = total = 0
        for row in answers[reader]:
            one = truth[row["item"]]
            if one.kind == CHECK:
                assert one.answer is not None
                total, right = total + 1, right + passed(one.answer, dict(row))
                continue
            values = _values(row, phase_names)
            column = place[row["item"]]
            if np.isfinite(first[0, number, column]):
                again[number, column] = [values[0], values[2], values[3]]
            else:
                first[:, number, column] = values
        checks[reader] = (right, total)
    kinds = tuple(truth[name] for name in items)
    calls, ratings, phases, plausibility, seconds = first
    return Readings(
        readers, items, kinds, _cases(kinds), tuple(phase_names), calls, ratings, phases, plausibility, seconds,
        again, checks,
    )  # fmt: skip


def _values(row: Mapping[str, Any], phase_names: Sequence[str]) -> list[float]:
    call = float(row["call"] == SYNTHETIC)
    phase = phase_names.index(row["phase"]) if row["phase"] in phase_names else len(phase_names)
    seconds = row["seconds"] if row["seconds"] > 0 else np.nan
    return [call, (2 * call - 1) * row["confidence"], phase, row["plausibility"], seconds]


def _cases(truth: Sequence[Truth]) -> Cases:
    synthetic = np.array([one.kind == SYNTHETIC for one in truth], bool)
    return Cases(synthetic, number_groups([f"{one.kind} {one.group}" for one in truth]))


def _by_number(name: str) -> tuple[str, int]:
    head, _, tail = name.rpartition("-")
    return head, int(tail) if tail.isdigit() else 0
