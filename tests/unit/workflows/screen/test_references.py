"""The references of all runs: what any of them was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from woundgen.data.photo_set import PhotoSet
from woundgen.errors import UserError
from woundgen.records import Box, Photo, Preparation
from woundgen.workflows.screen.references import unite_references

PREPARATION = Preparation(resolution=8, margin=0.25, compressed=None, version=1)
BOX = Box(0, 0, 8, 8)


def photos(rows: Sequence[tuple[str, str]], *, level: int = 0, box: Box | None = None) -> PhotoSet:
    """rows: path and side of each; pixels are `level` plus the row."""
    images = np.stack([np.full((8, 8, 3), level + row, np.uint8) for row in range(len(rows))])
    return PhotoSet(
        [Photo(path=path, phase="I", group=path, split=side, box=box) for path, side in rows],
        images, "digest", PREPARATION,
    )  # fmt: skip


def sides(united: PhotoSet) -> dict[str, str | None]:
    return {photo.path: photo.split for photo in united.photos}


def test_a_photograph_trained_on_by_any_run_is_a_reference() -> None:
    first = photos([("a", "train"), ("b", "validation"), ("c", "holdout")])
    second = photos([("b", "train"), ("c", "validation"), ("a", "holdout")], level=10)
    united = unite_references([first, second])
    assert sides(united) == {"a": "train", "b": "train", "c": "holdout"}
    assert united.digest != first.digest


def test_of_later_runs_only_what_was_trained_on_is_added_with_its_pixels() -> None:
    first = photos([("a", "train")])
    second = photos([("b", "validation"), ("c", "train"), ("d", "train")], level=10)
    third = photos([("d", "train"), ("e", "train")], level=20)
    united = unite_references([first, second, third])
    assert sides(united) == {"a": "train", "c": "train", "d": "train", "e": "train"}
    assert united.images[:, 0, 0, 0].tolist() == [0, 11, 12, 21]


def test_two_wounds_of_one_photograph_are_two_references() -> None:
    first = photos([("a", "train")], box=BOX)
    second = photos([("a", "train")], level=10, box=replace(BOX, x_min=2))
    assert len(unite_references([first, second]).photos) == 2


def test_one_run_alone_is_as_it_was() -> None:
    first = photos([("a", "train"), ("b", "validation")])
    assert unite_references([first]) is first


def test_parts_prepared_otherwise_are_refused() -> None:
    first = photos([("a", "train")])
    other = photos([("b", "train")])
    other = PhotoSet(other.photos, other.images, other.digest, replace(PREPARATION, margin=0.5))
    with pytest.raises(UserError, match="margin"):
        unite_references([first, other])
