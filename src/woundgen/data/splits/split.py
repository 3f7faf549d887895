"""Training and validation sides such that no patient stands on both.

Unit of the split: photographs tied together by patient, by file, or, where no patient is known, by near
duplication. Units are divided so that each phase comes as near to the wanted share as whole units allow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from woundgen.data.files.images import decode_photograph, read_file
from woundgen.data.leaks import ONE_SIDE, assert_no_leak, photo_side
from woundgen.data.pixels.near_duplicates import linked, near_duplicate_pairs, thumbnail
from woundgen.data.pixels.padding import content_box
from woundgen.data.splits.choose_units import choose_units
from woundgen.errors import UserError
from woundgen.records import Photo, Split

CLUSTER = "cluster-"  # begins a group that stands for near duplicates, not for a known patient


def split_photos(photos: Sequence[Photo], *, train_share: float, seed: int, roots: Sequence[Path]) -> list[Photo]:
    """`photos`, in their order, each with `group` and `split` set; no group is on two sides.

    Splits already given are kept. The rest depends on (seed, groups, phases) alone, not on the order of rows
    nor on where the folder lies. If any photograph lacks a group, all are read, from inside `roots`, and
    those get a CLUSTER group. Raises UserError where a given split leaks, or a phase cannot be on both sides.
    """
    assert photos
    assert 0 < train_share < 1
    ties: list[tuple[int, int]] = []
    if any(photo.group is None for photo in photos):
        photos, clusters = with_cluster_groups(photos, roots=roots)
        ties = equal_rows(clusters)
    ties += equal_rows([photo.group for photo in photos]) + equal_rows([photo.path for photo in photos])
    units = linked(len(photos), ties).tolist()
    sides = _sides(photos, units, train_share=train_share, seed=seed)
    split = [replace(photo, split=sides[unit]) for photo, unit in zip(photos, units, strict=True)]
    assert_no_leak(split)
    return split


def with_cluster_groups(photos: Sequence[Photo], *, roots: Sequence[Path]) -> tuple[list[Photo], list[int]]:
    """(`photos` with the missing groups filled, the cluster of near duplicates each is in).

    A missing group becomes the patient of a near duplicate, or else the cluster's name: CLUSTER and a digest
    of its files' content, the same on every machine. Every file is read once.
    """
    known = {path: _look(Path(path), roots=roots) for path in dict.fromkeys(photo.path for photo in photos)}
    looks = [known[photo.path] for photo in photos]
    digests = [digest for digest, _ in looks]
    pairs = near_duplicate_pairs(np.stack([small for _, small in looks])).tolist()
    clusters = linked(len(photos), [*pairs, *equal_rows(digests)]).tolist()
    patients: dict[int, str] = {}
    names: dict[int, str] = {}
    for photo, digest, cluster in zip(photos, digests, clusters, strict=True):
        name = CLUSTER + digest[:16]
        names[cluster] = min(names.get(cluster, name), name)
        if photo.group is not None:
            patients[cluster] = min(patients.get(cluster, photo.group), photo.group)
    filled = [
        replace(photo, group=photo.group or patients.get(cluster) or names[cluster])
        for photo, cluster in zip(photos, clusters, strict=True)
    ]
    return filled, clusters


def _look(path: Path, *, roots: Sequence[Path]) -> tuple[str, np.ndarray]:
    content = read_file(path, roots=roots)
    pixels = decode_photograph(content, name=str(path))
    inner = content_box(pixels)  # equal padding would make strangers alike
    shown = pixels[inner.y_min : inner.y_max, inner.x_min : inner.x_max]
    return hashlib.sha256(content).hexdigest(), thumbnail(shown)


def equal_rows(values: Sequence[Hashable]) -> list[tuple[int, int]]:
    """(first row, row) of equal values."""
    first: dict[Hashable, int] = {}
    return [(first.setdefault(value, row), row) for row, value in enumerate(values)]


def _sides(photos: Sequence[Photo], units: Sequence[int], *, train_share: float, seed: int) -> dict[int, Split]:
    """Side of every unit: as given, or chosen."""
    given = given_sides(photos, units)
    phases = sorted({photo.phase for photo in photos})
    counts = np.zeros((max(units) + 1, len(phases)), int)
    for photo, unit in zip(photos, units, strict=True):
        if given.get(unit) != "holdout":
            counts[unit, phases.index(photo.phase)] += 1
    sides = dict(given)
    free = shuffled_units([unit for unit in set(units) if unit not in given], photos, units, seed=seed)
    held = np.array([unit for unit, side in given.items() if side == "validation"], int)
    chosen = choose_units(
        counts[free],
        already=counts[held].sum(axis=0),
        wanted=(1 - train_share) * counts.sum(axis=0),
        total=counts.sum(axis=0),
    )
    for unit, is_chosen in zip(free, chosen.tolist(), strict=True):
        sides[unit] = "validation" if is_chosen else "train"
    _refuse_one_sided(photos, units, sides)
    return sides


def given_sides(photos: Sequence[Photo], units: Sequence[int]) -> dict[int, Split]:
    first: dict[int, Photo] = {}
    for photo, unit in zip(photos, units, strict=True):
        if photo.split is None:
            continue
        other = first.setdefault(unit, photo)
        if other.split != photo.split:
            raise UserError(
                f"{photo_side(other)} and {photo_side(photo)} are of one patient, or nearly equal.", ONE_SIDE
            )
    return {unit: photo.split for unit, photo in first.items() if photo.split is not None}


def shuffled_units(wanted: Sequence[int], photos: Sequence[Photo], units: Sequence[int], *, seed: int) -> list[int]:
    """Units in an order that depends on (seed, their groups) alone."""
    names: dict[int, str] = {}
    for photo, unit in zip(photos, units, strict=True):
        assert photo.group is not None
        names[unit] = min(names.get(unit, photo.group), photo.group)
    return sorted(wanted, key=lambda unit: hashlib.sha256(f"{seed}:{names[unit]}".encode()).digest())


def _refuse_one_sided(photos: Sequence[Photo], units: Sequence[int], sides: dict[int, Split]) -> None:
    for phase in sorted({photo.phase for photo in photos}):
        rows = [row for row, photo in enumerate(photos) if photo.phase == phase]
        own = {units[row] for row in rows if sides[units[row]] != "holdout"}
        missing = {"train", "validation"} - {sides[unit] for unit in own}
        if missing:
            patients = sorted({str(photos[row].group) for row in rows if units[row] in own})
            raise UserError(
                f"phase {phase} has nothing for {' and '.join(sorted(missing))}: its {len(rows)} photographs "
                f"are of {len(own)} separate group(s) ({', '.join(patients[:3]) or 'none'}).",
                "Add photographs of another patient, or correct the `split` column.",
            )
