"""Photographs that are the same, or nearly, and where that is an error: two sides, two phases, two patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from woundgen.data.pixels.inspect import Inspection
from woundgen.data.pixels.near_duplicates import near_duplicate_pairs
from woundgen.data.splits.split import CLUSTER
from woundgen.records import ManifestRow

SAME_BYTES, SAME_PIXELS, NEAR = "the same bytes", "the same pixels", "nearly the same picture"


@dataclass(frozen=True, slots=True)
class Double:
    """Two files. likeness: one of the above. conflicts: what makes the pair an error, empty where it is none."""

    first: str
    second: str
    likeness: str
    conflicts: tuple[str, ...]

    def told(self) -> str:
        return f"{self.first} and {self.second} are {self.likeness}, {'; '.join(self.conflicts)}"


def find_doubles(seen: Mapping[str, Inspection], rows: Sequence[ManifestRow]) -> list[Double]:
    """All pairs among the files `seen`, in their order; `rows` say phase, side and patient of each.

    A photograph of several wounds may have several phases; two files conflict where they have not the same.
    """
    names = list(seen)
    if not names:
        return []
    facts = {name: _facts([row for row in rows if row.photograph == name]) for name in names}
    pairs = near_duplicate_pairs(np.stack([seen[name].thumbnail for name in names])).tolist()
    same = _equal([seen[name].pixels_digest for name in names])
    found = []
    for i, j in sorted({*map(tuple, pairs), *same}):
        first, second = names[i], names[j]
        found.append(Double(first, second, _likeness(seen[first], seen[second]), _conflicts(facts, first, second)))
    return found


def _facts(rows: Sequence[ManifestRow]) -> dict[str, tuple[str, ...]]:
    return {
        "phases": tuple(sorted({row.label for row in rows})),
        "sides of the split": tuple(sorted({row.split or "" for row in rows})),
        "patients": tuple(sorted({row.group for row in rows if row.group and not row.group.startswith(CLUSTER)})),
    }


def _conflicts(facts: Mapping[str, Mapping[str, tuple[str, ...]]], first: str, second: str) -> tuple[str, ...]:
    """Where both say something, and not the same."""
    return tuple(
        f"{what} {'+'.join(facts[first][what])} and {'+'.join(facts[second][what])}"
        for what in facts[first]
        if any(facts[first][what]) and any(facts[second][what]) and facts[first][what] != facts[second][what]
    )


def _likeness(first: Inspection, second: Inspection) -> str:
    if first.bytes_digest == second.bytes_digest:
        return SAME_BYTES
    return SAME_PIXELS if first.pixels_digest == second.pixels_digest else NEAR


def _equal(digests: Sequence[str]) -> list[tuple[int, int]]:
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        rows.setdefault(digest, []).append(row)
    return [(i, j) for own in rows.values() for n, i in enumerate(own) for j in own[n + 1 :]]
