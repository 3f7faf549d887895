"""Frozen splits: no group on two sides, shares within tolerance wherever whole groups allow, the same in any order."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from woundgen.data.files.images import write_png
from woundgen.data.splits.allocate import allot
from woundgen.data.splits.fixed_split import SIDES, Shares, divide, one_group_each
from woundgen.errors import UserError
from woundgen.records import Photo

THIRDS = Shares(train=0.6, validation=0.2, holdout=0.2)
TWO = Shares(train=0.8, validation=0.2, holdout=0.0)
pairs_of = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("IR")), min_size=3, max_size=40)


def photos_of(pairs: list[tuple[int, str]]) -> list[Photo]:
    return [Photo(path=f"/d/{i}.png", phase=phase, group=str(group)) for i, (group, phase) in enumerate(pairs)]


def possible(pairs: list[tuple[int, str]], shares: tuple[float, ...], tolerance: float) -> tuple[bool, bool]:
    """By trying every assignment: (every phase on every side, and within tolerance) can be had."""
    groups = sorted({group for group, _ in pairs})
    counts = Counter(pairs)
    any_at_all = False
    for sides in product(range(len(shares)), repeat=len(groups)):
        good = True
        for phase in {phase for _, phase in pairs}:
            total = sum(counts[group, phase] for group in groups)
            held = [0] * len(shares)
            for group, side in zip(groups, sides, strict=True):
                held[side] += counts[group, phase]
            if min(held) == 0:
                break
            off = max(abs(h - s * total) for h, s in zip(held, shares, strict=True))
            good &= off <= max(tolerance * total, 1) + 1e-9
        else:
            any_at_all = True
            if good:
                return True, True
    return any_at_all, False


@given(pairs_of, st.sampled_from([THIRDS, TWO]), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_properties(pairs: list[tuple[int, str]], shares: Shares, seed: int, rng: object) -> None:
    photos = photos_of(pairs)
    at_all, within = possible(pairs, shares.wanted(), 0.05)
    if not at_all:
        with pytest.raises(UserError, match="do not give every phase"):
            divide(photos, shares=shares, seed=seed)
        return
    division = divide(photos, shares=shares, seed=seed)
    assert division.within is within
    sides = defaultdict(set)
    for photo in division.photos:
        sides[photo.group].add(photo.split)
    assert all(len(found) == 1 for found in sides.values())
    assert [p.path for p in division.photos] == [p.path for p in photos]
    shuffled = list(photos)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set(divide(shuffled, shares=shares, seed=seed).photos) == set(division.photos)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_planted_division_of_many_groups_is_found(seed: int) -> None:
    """25 patients of uneven sizes, three phases; the shares asked for are those of a random division."""
    rng = np.random.default_rng(seed)
    counts = rng.geometric(0.15, 25)[:, None] * np.eye(3, dtype=int)[rng.integers(3, size=25)]
    counts[:9] = np.repeat(np.eye(3, dtype=int), 3, axis=0)  # every phase on every side
    planted = np.append(np.tile([0, 1, 2], 3), rng.integers(3, size=16))
    held = np.stack([counts[planted == side].sum(axis=0) for side in range(3)])
    shares = held.sum(axis=1) / held.sum()
    off = np.abs(held - shares[:, None] * held.sum(axis=0)) / held.sum(axis=0)
    tolerance = float(off.max()) + 1e-9
    sides = allot(counts, already=np.zeros((3, 3), int), shares=shares.tolist(), tolerance=tolerance)
    assert sides is not None
    found = np.stack([counts[sides == side].sum(axis=0) for side in range(3)])
    slack = np.maximum(tolerance * held.sum(axis=0), 1)
    assert (np.abs(found - shares[:, None] * held.sum(axis=0)) <= slack + 1e-6).all()
    assert (found > 0).all()


def test_singletons_hit_the_shares() -> None:
    division = divide(photos_of([(i, "IPR"[i % 3]) for i in range(300)]), shares=THIRDS, seed=0)
    for phase in "IPR":
        assert [sum(p.split == s for p in division.photos if p.phase == phase) for s in SIDES] == [60, 20, 20]
    other = divide(photos_of([(i, "IPR"[i % 3]) for i in range(300)]), shares=THIRDS, seed=1)
    assert [p.split for p in other.photos] != [p.split for p in division.photos]


def test_one_patient_with_most_photographs_is_not_within() -> None:
    division = divide(photos_of([(0, "I")] * 140 + [(i, "I") for i in range(1, 40)]), shares=THIRDS, seed=0)
    assert not division.within
    assert division.worst == "phase I: train has 140 of 179, 60% were asked for"


def test_given_sides_are_kept() -> None:
    photos = photos_of([(i, "I") for i in range(20)])
    photos[3], photos[4] = replace(photos[3], split="holdout"), replace(photos[4], split="validation")
    done = divide(photos, shares=THIRDS, seed=0).photos
    assert (done[3].split, done[4].split) == ("holdout", "validation")
    assert Counter(p.split for p in done) == {"train": 12, "validation": 4, "holdout": 4}
    with pytest.raises(UserError, match="nothing is to be sealed"):
        divide(photos, shares=TWO, seed=0)


def test_patients_who_share_a_photograph_become_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        write_png(tmp_path / f"{name}.png", rng.integers(0, 256, (32, 32, 3)).astype(np.uint8), text={})
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    groups = {"a": "7", "b": "8", "c": None, "copy": "12"}
    photos = [Photo(str(tmp_path / f"{name}.png"), "I", group) for name, group in groups.items()]
    names = [photo.group for photo in one_group_each(photos, roots=[tmp_path])]
    assert names[0] == names[3] == "12 + 7"
    assert names[1] == "8"
    assert str(names[2]).startswith("cluster-")
