"""Photographs of several runs: each once, on the side where it was most exposed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from woundgen.data.photo_set import PhotoSet
from woundgen.records import Photo, Preparation
from woundgen.workflows.audit.sides import find_sides, unite_photographs

PREPARATION = Preparation(resolution=8, margin=0.25, compressed=None, version=1)


def photos(rows: Sequence[tuple[int, str, str]]) -> PhotoSet:
    """rows: grey level, patient and side of each."""
    images = np.stack([np.full((8, 8, 3), level, np.uint8) for level, _, _ in rows])
    found = [Photo(path=f"{level}.png", phase="I", group=group, split=side) for level, group, side in rows]
    return PhotoSet(found, images, "digest", PREPARATION)


def test_a_photograph_of_two_runs_counts_once_and_as_trained_on() -> None:
    first = photos([(1, "A", "train"), (2, "B", "holdout"), (3, "C", "holdout")])
    second = photos([(1, "A", "holdout"), (2, "B", "validation"), (4, "D", "train")])
    united = unite_photographs([first, second])
    assert [(photo.path, photo.split) for photo in united.photos] == [
        ("1.png", "train"), ("2.png", "validation"), ("3.png", "holdout"), ("4.png", "train"),
    ]  # fmt: skip
    assert united.images[:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    sides = find_sides(united)
    assert (sides.trained, sides.others, sides.sealed) == ([0, 3], [1, 2], [2])


def test_one_run_is_as_it_was() -> None:
    first = photos([(1, "A", "train"), (2, "B", "holdout")])
    assert unite_photographs([first]) is first


def test_a_patient_of_whom_another_photograph_was_trained_on_is_no_control() -> None:
    first = photos([(1, "A", "train"), (2, "B", "holdout"), (3, "C", "holdout"), (5, "C", "validation")])
    second = photos([(4, "B", "train")])
    sides = find_sides(unite_photographs([first, second]))
    assert (sides.trained, sides.others, sides.sealed) == ([0, 4], [3, 2], [])
