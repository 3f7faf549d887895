"""A split to be kept: train, validation and sealed hold-out, whole patients, every phase in its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from woundgen.data.leaks import assert_no_leak
from woundgen.data.pixels.near_duplicates import linked
from woundgen.data.splits.allocate import TOLERANCE, Counts, allot, allowed, deviations
from woundgen.data.splits.shares import Shares
from woundgen.data.splits.split import equal_rows, given_sides, shuffled_units, with_cluster_groups
from woundgen.errors import UserError
from woundgen.records import Photo, Split

SIDES: tuple[Split, ...] = ("train", "validation", "holdout")


@dataclass(frozen=True, slots=True)
class Division:
    """photos: in their order, with group and split. worst: largest difference from a share, in words.

    within: whether every phase is within tolerance of its share on every side.
    """

    photos: tuple[Photo, ...]
    within: bool
    worst: str


def one_group_each(photos: Sequence[Photo], *, roots: Sequence[Path]) -> list[Photo]:
    """`photos` such that what must stay together has one group: a patient, or a cluster of near duplicates.

    All are read. Patients who share a photograph, or nearly equal ones, become one group "7 + 12".
    """
    filled, clusters = with_cluster_groups(photos, roots=roots)
    names = joined_groups(filled, clusters)
    return [replace(photo, group=name) for photo, name in zip(filled, names, strict=True)]


def joined_groups(filled: Sequence[Photo], clusters: Sequence[int]) -> list[str]:
    """Return the groups that must stay together, by name, of those that `with_cluster_groups` gives."""
    ties = equal_rows(clusters) + equal_rows([p.group for p in filled]) + equal_rows([p.path for p in filled])
    units = linked(len(filled), ties).tolist()
    names: dict[int, set[str]] = {}
    for photo, unit in zip(filled, units, strict=True):
        names.setdefault(unit, set()).add(str(photo.group))
    return [" + ".join(sorted(names[unit])) for unit in units]


def divide(photos: Sequence[Photo], *, shares: Shares, seed: int, tolerance: float = TOLERANCE) -> Division:
    """Every photograph has a group, from `one_group_each`; no group ends on two sides.

    Sides already given are kept. Depends on (seed, groups, phases) alone, not on the order of rows. Raises
    UserError where a given side leaks, or where no division has every phase on every side.
    """
    assert photos
    assert all(photo.group is not None for photo in photos)
    wanted = shares.wanted()
    units = linked(len(photos), equal_rows([photo.group for photo in photos])).tolist()
    given = given_sides(photos, units)
    phases = sorted({photo.phase for photo in photos})
    counts = np.zeros((max(units) + 1, len(phases)), int)
    np.add.at(counts, (units, [phases.index(photo.phase) for photo in photos]), 1)
    already = np.zeros((len(wanted), len(phases)), int)
    for unit, side in given.items():
        if SIDES.index(side) >= len(wanted):
            raise UserError("Some photographs have split = holdout, and nothing is to be sealed.", "Clear the column.")
        already[SIDES.index(side)] += counts[unit]
    free = shuffled_units([unit for unit in set(units) if unit not in given], photos, units, seed=seed)
    sides = allot(counts[free], already=already, shares=wanted, tolerance=tolerance)
    if sides is None:
        raise UserError(_what_is_missing(photos, phases, len(wanted)), "Add photographs of other patients.")
    place = {**given, **{unit: SIDES[side] for unit, side in zip(free, sides.tolist(), strict=True)}}
    divided = tuple(replace(photo, split=place[unit]) for photo, unit in zip(photos, units, strict=True))
    assert_no_leak(divided)
    off = deviations(counts[free], sides, already=already, shares=wanted)
    total = counts.sum(axis=0)
    within = bool((np.abs(off) * total <= allowed(total, tolerance) + 1e-9).all())
    return Division(divided, within, _worst(off, total, phases, wanted))


def _worst(off: np.ndarray, total: Counts, phases: Sequence[str], wanted: Sequence[float]) -> str:
    side, column = np.unravel_index(np.abs(off).argmax(), off.shape)
    has = round(float((off[side, column] + wanted[side]) * total[column]))
    return f"phase {phases[column]}: {SIDES[side]} has {has} of {total[column]}, {wanted[side]:.0%} were asked for"


def _what_is_missing(photos: Sequence[Photo], phases: Sequence[str], sides: int) -> str:
    groups = {phase: len({p.group for p in photos if p.phase == phase}) for phase in phases}
    told = ", ".join(f"{phase} {number}" for phase, number in groups.items())
    return f"Whole groups do not give every phase a photograph on each of {sides} sides (groups: {told})."
