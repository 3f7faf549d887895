"""Splits: no group on two sides, shares as near as whole groups allow, the same in any order."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from woundgen.data.files.images import write_png
from woundgen.data.leaks import assert_no_leak
from woundgen.data.pixels.near_duplicates import near_duplicate_groups, thumbnail
from woundgen.data.splits.choose_units import choose_units
from woundgen.data.splits.split import CLUSTER, split_photos
from woundgen.errors import UserError
from woundgen.records import Photo

rows = st.lists(st.tuples(st.integers(0, 8), st.sampled_from("IPR")), min_size=2, max_size=60)


def photos_of(pairs: list[tuple[int, str]]) -> list[Photo]:
    return [Photo(path=f"/d/{i}.png", phase=phase, group=str(group)) for i, (group, phase) in enumerate(pairs)]


def split(photos: list[Photo], *, share: float = 0.8, seed: int = 0, root: Path = Path("/d")) -> list[Photo]:
    return split_photos(photos, train_share=share, seed=seed, roots=[root])


def deviation(counts: np.ndarray, chosen: np.ndarray, share: float) -> float:
    """Sum over phases of squared (validation − wanted) / total; infinite where a side lacks a phase."""
    total = counts.sum(axis=0)
    held = counts[chosen].sum(axis=0)
    if ((held == 0) | (held == total)).any():
        return float("inf")
    wanted = np.clip((1 - share) * total, 1, total - 1)
    return float((((held - wanted) / total) ** 2).sum())


def counts_of(photos: list[Photo]) -> tuple[np.ndarray, list[str]]:
    groups = sorted({str(photo.group) for photo in photos})
    phases = sorted({photo.phase for photo in photos})
    counts = np.zeros((len(groups), len(phases)), int)
    for photo in photos:
        counts[groups.index(str(photo.group)), phases.index(photo.phase)] += 1
    return counts, groups


@given(rows, st.sampled_from([0.5, 0.7, 0.85]), st.integers(0, 5), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_properties(pairs: list[tuple[int, str]], share: float, seed: int, rng: object) -> None:
    """Few groups: no leak, same result in any order, and as good as the best of all subsets."""
    photos = photos_of(pairs)
    counts, groups = counts_of(photos)
    subsets = [np.array(bits, bool) for bits in product([False, True], repeat=len(groups))]
    best = min(deviation(counts, subset, share) for subset in subsets)
    if best == float("inf"):
        with pytest.raises(UserError, match="has nothing for"):
            split(photos, share=share, seed=seed)
        return
    done = split(photos, share=share, seed=seed)
    sides = defaultdict(set)
    for photo in done:
        sides[photo.group].add(photo.split)
    assert all(len(found) == 1 for found in sides.values())
    assert [photo.path for photo in done] == [photo.path for photo in photos]
    shuffled = list(photos)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set(split(shuffled, share=share, seed=seed)) == set(done)
    chosen = np.array([sides[group] == {"validation"} for group in groups])
    assert deviation(counts, chosen, share) == pytest.approx(best)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=13, max_size=60).filter(lambda c: np.sum(c) > 40))
@settings(max_examples=60, deadline=None)
def test_many_units_come_near(pairs: list[tuple[int, int]]) -> None:
    """Beyond enumeration: each class within half the largest unit of what is wanted."""
    counts = np.array(pairs)
    total = counts.sum(axis=0)
    wanted = np.clip(0.2 * total, np.minimum(1, total), np.maximum(total - 1, 0))
    chosen = choose_units(counts, already=np.zeros(2, int), wanted=wanted, total=total)
    assert np.abs(counts[chosen].sum(axis=0) - wanted).max() <= counts.max() / 2


def test_singletons_hit_the_share_exactly() -> None:
    photos = photos_of([(i, "IPR"[i % 3]) for i in range(300)])
    done = split(photos, share=0.85)
    for phase in "IPR":
        assert sum(p.split == "validation" for p in done if p.phase == phase) == 15
    other = split(photos, share=0.85, seed=1)
    assert [p.split for p in other] != [p.split for p in done]


def test_not_worse_than_sklearn() -> None:
    """Against one fold of StratifiedGroupKFold(5) on patients of uneven sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.geometric(0.15, 40)
    pairs = [(g, "IPR"[rng.integers(3)]) for g, size in enumerate(sizes) for _ in range(size)]
    photos = photos_of(pairs)
    counts, groups = counts_of(photos)
    done = split(photos, share=0.8)
    ours = {photo.group for photo in done if photo.split == "validation"}
    names = [str(group) for group, _ in pairs]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(names, [phase for _, phase in pairs], names)
    theirs = [{names[i] for i in fold} for _, fold in folds]
    in_set = [np.array([group in chosen for group in groups]) for chosen in (ours, *theirs)]
    scores = [deviation(counts, chosen, 0.8) for chosen in in_set]
    assert scores[0] <= min(scores[1:])


def test_given_splits_are_kept() -> None:
    photos = photos_of([(i, "I") for i in range(10)])
    photos[3] = Photo("/d/3.png", "I", "3", split="validation")
    photos[4] = Photo("/d/4.png", "I", "4", split="holdout")
    photos += [Photo("/d/x.png", "I", "4"), Photo("/d/y.png", "I", "3")]
    done = {photo.path: photo.split for photo in split(photos, share=0.8)}
    assert done["/d/3.png"] == done["/d/y.png"] == "validation"
    assert done["/d/4.png"] == done["/d/x.png"] == "holdout"
    assert sum(side == "validation" for side in done.values()) == 2  # 0.2 of the ten not held out


def test_two_photographs() -> None:
    assert {photo.split for photo in split(photos_of([(0, "I"), (1, "I")]))} == {"train", "validation"}


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(UserError, match=r"phase R .* 1 separate group\(s\) \(7\)"):
        split(photos_of([(0, "I"), (1, "I"), (7, "R"), (7, "R")]))


def test_leaks_name_both_rows() -> None:
    left, right = Photo("/d/a.png", "I", "7", split="train"), Photo("/d/b.png", "I", "7", split="validation")
    for check in (assert_no_leak, split):
        with pytest.raises(UserError, match=r"/d/a\.png \(train\) and /d/b\.png \(validation\)"):
            check([left, right])
    with pytest.raises(UserError, match=r"path '/d/a\.png'"):
        assert_no_leak([left, Photo("/d/a.png", "I", "8", split="holdout")])
    assert_no_leak([left, Photo("/d/c.png", "I", "8", split="holdout"), Photo("/d/d.png", "I")])


def scene(seed: int, *, size: int = 96) -> np.ndarray:
    """Random smooth scenes: unlike one another, sharp enough to keep a thumbnail."""
    coarse = np.random.default_rng(seed).integers(30, 226, (6, 6, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def test_near_duplicates() -> None:
    """0: a scene; 1: it, darker and noisy; 2: another; 3: the first at another size; 4, 5: flat greys."""
    noisy = scene(0) * 0.8 + np.random.default_rng(9).normal(0, 4, (96, 96, 3))
    pictures = [
        scene(0),
        np.clip(noisy, 0, 255).astype(np.uint8),
        scene(1),
        scene(0, size=60),
        np.full((20, 20, 3), 90, np.uint8),
        np.full((20, 20, 3), 90, np.uint8),
    ]
    groups = near_duplicate_groups(np.stack([thumbnail(picture) for picture in pictures]))
    assert groups[0] == groups[1] == groups[3]
    assert len({groups[0], groups[2], groups[4], groups[5]}) == 4


def write_scenes(root: Path) -> list[Photo]:
    root.mkdir()
    for index in range(12):
        write_png(root / f"{index}.png", scene(index // 2), text={"copy": str(index)})  # pairs: unequal bytes
    return [Photo(str(root / f"{index}.png"), "I") for index in range(12)]


def test_unknown_groups_become_clusters(tmp_path: Path) -> None:
    photos = write_scenes(tmp_path / "data")
    done = split(photos, share=0.7, root=tmp_path)
    assert [photo.split for photo in done[::2]] == [photo.split for photo in done[1::2]]
    assert [photo.group for photo in done[::2]] == [photo.group for photo in done[1::2]]
    assert all(str(photo.group).startswith(CLUSTER) for photo in done)
    assert sum(photo.split == "validation" for photo in done) == 4
    moved = split(write_scenes(tmp_path / "elsewhere"), share=0.7, root=tmp_path)
    assert [(p.group, p.split) for p in moved] == [(p.group, p.split) for p in done]


def test_near_duplicate_of_a_patient_joins_it(tmp_path: Path) -> None:
    photos = write_scenes(tmp_path / "data")
    photos[0] = Photo(photos[0].path, "I", group="patient 9")
    done = split(photos, share=0.7, root=tmp_path)
    assert done[1].group == "patient 9"
    assert done[1].split == done[0].split
