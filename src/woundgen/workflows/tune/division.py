"""Divide the patients of a study: training, selection, confirmation. The sealed hold-out is left out altogether.

The division is a frozen split in which selection stands as `validation` and confirmation as `holdout`, so that the runs
of the study train, validate and seal as any run does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from woundgen.data.layouts.manifest import is_manifest, photo_of, write_manifest
from woundgen.data.layouts.source import read_source
from woundgen.data.photo_set import grouping_of
from woundgen.data.splits.fixed_split import Shares, divide, one_group_each
from woundgen.errors import UserError
from woundgen.records import ManifestRow, Photo
from woundgen.storage.files import sweep_unfinished
from woundgen.storage.ownership import make_private

SELECTION, CONFIRMATION = "validation", "holdout"
NAMES = {"train": "training", SELECTION: "selection", CONFIRMATION: "confirmation"}


@dataclass(frozen=True, slots=True)
class PatientDivision:
    """sides: name -> (photographs, patients). sealed: photographs left out. deviation: from the shares, or ""."""

    sides: dict[str, tuple[int, int]]
    sealed: int
    deviation: str


@dataclass(frozen=True, slots=True)
class DividedRows:
    """The rows of a division that is not written yet. root: the photographs lie below it."""

    division: PatientDivision
    rows: tuple[ManifestRow, ...]
    root: Path
    grouping: str


def divide_patients(data: Path, *, phases: Sequence[str], shares: Shares, seed: int) -> DividedRows:
    """Divide the patients below `data`, which is only read. UserError where they are too few for three parts."""
    source = read_source(data)
    rows = [row for row in source.rows if row.label in phases]
    if not rows:
        raise UserError(f"{data} has no photograph of phase {', '.join(phases)}.", "Set phases, or another --data.")
    photos = one_group_each([photo_of(row, root=source.root) for row in rows], roots=[source.root])
    sealed_groups = {photo.group for photo in photos if photo.split == "holdout"}
    open_rows = [number for number, photo in enumerate(photos) if photo.group not in sealed_groups]
    if not open_rows:
        raise UserError(f"{data}: all photographs are sealed (split = holdout).", "Give photographs to train on.")
    divided = divide([replace(photos[number], split=None) for number in open_rows], shares=shares, seed=seed)
    division = PatientDivision(
        {name: _count(divided.photos, side) for side, name in NAMES.items()},
        len(photos) - len(open_rows),
        "" if divided.within else divided.worst,
    )
    numbered = zip(open_rows, divided.photos, strict=True)
    sided = tuple(replace(rows[number], group=photo.group, split=photo.split) for number, photo in numbered)
    return DividedRows(division, sided, source.root, grouping_of(divided.photos))


def write_division(divided: DividedRows, out: Path) -> None:
    """Write the division as a frozen split into the private folder `out`; a division that is there already stays."""
    if is_manifest(out):
        return
    make_private(out)
    sweep_unfinished(out)
    facts = {"tuning": {"sealed": divided.division.sealed}, "grouping": divided.grouping}
    write_manifest(out, divided.rows, left_out=[], root=divided.root, facts=facts)


def _count(photos: Sequence[Photo], side: str) -> tuple[int, int]:
    separate = [photo for photo in photos if photo.split == side]
    return len(separate), len({photo.group for photo in separate})
