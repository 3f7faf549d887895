"""Count the photographs of an import or a split from its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.data.layouts.manifest import manifest_facts, read_left_out, read_manifest

UNDIVIDED = "undivided"  # side of a photograph that no split has given one


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """Counts of photographs. folder: of the import or split.

    photographs: phase -> side -> photographs; of an import that names no sides all are "undivided". groups: phase ->
    patients (or clusters that stand for them) with a name. left_out: reason -> rows that were not taken. folds: of a
    cross-fitting, fold -> as `photographs`.
    """

    folder: Path
    photographs: dict[str, dict[str, int]]
    groups: dict[str, int]
    left_out: dict[str, int]
    folds: dict[str, dict[str, dict[str, int]]]

    def to_json(self) -> dict[str, Any]:
        """Return the folder and the counts."""
        return {
            "folder": str(self.folder), "photographs": self.photographs, "groups": self.groups,
            "left_out": self.left_out, "folds": self.folds,
        }  # fmt: skip


def summarise_manifest(folder: Path) -> ManifestSummary:
    """Count the photographs of an import or a split by phase and side. UserError where its files are damaged."""
    rows = read_manifest(folder)
    named = {(row.label, row.group) for row in rows if row.group}
    return ManifestSummary(
        folder=folder,
        photographs=_count_sides(folder),
        groups={phase: sum(label == phase for label, _ in named) for phase in sorted({row.label for row in rows})},
        left_out=dict(sorted(Counter(row.reason for row in read_left_out(folder)).items())),
        folds={name: _count_sides(folder / name) for name in manifest_facts(folder).get("folds", [])},
    )


def _count_sides(folder: Path) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in read_manifest(folder):
        counts.setdefault(row.label, Counter())[row.split or UNDIVIDED] += 1
    return {phase: dict(sorted(sides.items())) for phase, sides in sorted(counts.items())}
