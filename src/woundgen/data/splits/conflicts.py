"""Photographs that are the same, or nearly, and where that is an error: two sides, two phases, two patients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from woundgen.copies.scene import Scene
from woundgen.copies.search import match_references, prepare_scenes
from woundgen.data.pixels.inspect import Inspection
from woundgen.data.pixels.near_duplicates import near_duplicate_pairs
from woundgen.data.splits.split import CLUSTER
from woundgen.records import ManifestRow

SAME_BYTES, SAME_PIXELS, NEAR = "the same bytes", "the same pixels", "nearly the same picture"
SCENE = "of the same scene"


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

    A photograph of several wounds may have several phases; two files conflict where they have not the same. Two
    photographs of one scene (copies.search: each pair by itself) may be of two visits: their phases may differ.
    """
    names = list(seen)
    if not names:
        return []
    facts = {name: _facts([row for row in rows if row.photograph == name]) for name in names}
    pairs = near_duplicate_pairs(np.stack([seen[name].thumbnail for name in names])).tolist()
    alike = {*map(tuple, pairs), *_equal([seen[name].pixels_digest for name in names])}
    found = []
    for i, j in sorted(alike | _find_scene_pairs([seen[name].scene for name in names])):
        first, second = names[i], names[j]
        likeness = _likeness(seen[first], seen[second]) if (i, j) in alike else SCENE
        compared = {what for what in facts[first] if likeness != SCENE or what != "phases"}
        found.append(Double(first, second, likeness, _conflicts(facts, first, second, compared)))
    return found


def _find_scene_pairs(scenes: Sequence[Scene]) -> set[tuple[int, int]]:
    same = match_references(prepare_scenes(scenes), np.arange(len(scenes))).same
    return {(int(i), int(j)) for i, j in np.argwhere(np.triu(same))}


def _facts(rows: Sequence[ManifestRow]) -> dict[str, tuple[str, ...]]:
    return {
        "phases": tuple(sorted({row.label for row in rows})),
        "sides of the split": tuple(sorted({row.split or "" for row in rows})),
        "patients": tuple(sorted({row.group for row in rows if row.group and not row.group.startswith(CLUSTER)})),
    }


def _conflicts(
    facts: Mapping[str, Mapping[str, tuple[str, ...]]], first: str, second: str, compared: Collection[str]
) -> tuple[str, ...]:
    """Of the facts `compared`: where both say something, and not the same."""
    return tuple(
        f"{what} {'+'.join(facts[first][what])} and {'+'.join(facts[second][what])}"
        for what in facts[first]
        if what in compared
        and any(facts[first][what])
        and any(facts[second][what])
        and facts[first][what] != facts[second][what]
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
