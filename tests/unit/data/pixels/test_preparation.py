"""The record of a preparation: what it says of photographs, and what counts as a difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.data.pixels.prepare import describe_preparation, prepare, prepare_pixels
from woundgen.errors import UserError
from woundgen.metrics.checks import check_preparations
from woundgen.records import Box, Photo, Preparation


def photograph(path: Path, side: int, **options: object) -> Path:
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(path, **options)
    return path


def describe(folder: Path, photos: list[Photo], *, resolution: int = 32, margin: float = 0.25) -> Preparation:
    return describe_preparation(photos, resolution=resolution, margin=margin, roots=[folder])


def test_margin_is_none_without_boxes(tmp_path: Path) -> None:
    path = str(photograph(tmp_path / "a.png", 64))
    assert describe(tmp_path, [Photo(path, "I")]).margin is None
    assert describe(tmp_path, [Photo(path, "I"), Photo(path, "I", box=Box(8, 8, 40, 40))]).margin == 0.25


@pytest.mark.parametrize(
    ("name", "options", "resolution", "box", "compressed"),
    [
        ("a.png", {}, 48, None, False),
        ("a.jpg", {"quality": 90}, 48, None, True),  # 64 pixels reduced to 48: less than twofold
        ("a.jpg", {"quality": 90}, 32, None, False),  # twofold: nothing of 8 x 8 blocks is left
        ("a.jpg", {"quality": 90}, 32, Box(20, 20, 40, 40), True),  # a crop of 30 pixels
        ("a.webp", {"quality": 80}, 48, None, True),
        ("a.webp", {"lossless": True}, 48, None, False),
    ],
)
def test_traces_of_compression(
    tmp_path: Path, name: str, options: dict[str, object], resolution: int, box: Box | None, compressed: bool
) -> None:
    path = photograph(tmp_path / name, 64, **options)
    found = describe(tmp_path, [Photo(str(path), "I", box=box)], resolution=resolution)
    assert found.compressed is compressed


def test_pixels_are_prepared_as_files(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.png", 64)
    box = Box(10, 20, 30, 50)
    from_file = prepare(Photo(str(path), "I", box=box), resolution=32, margin=0.1, roots=[tmp_path])
    pixels = np.asarray(Image.open(path))
    np.testing.assert_array_equal(
        from_file, prepare_pixels(pixels, box, resolution=32, margin=0.1, name="these pixels")
    )
    with pytest.raises(UserError, match="these pixels: the box"):
        prepare_pixels(pixels, Box(10, 20, 30, 90), resolution=32, margin=0.1, name="these pixels")


def test_json_there_and_back() -> None:
    one = Preparation(128, 0.25, False, 2)
    assert Preparation.from_json(one.to_json()) == one
    assert one.digest() != Preparation(128, 0.3, False, 2).digest()
    with pytest.raises(ValueError, match="another preparation"):
        Preparation.from_json(one.to_json() | {"margin": 0.3})


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (Preparation(64, 0.25, False, 2), "64 pixels"),
        (Preparation(128, 0.1, False, 2), "margin of 0.1"),
        (Preparation(128, None, False, 2), "no box"),
        (Preparation(128, 0.25, True, 2), "traces of lossy"),
        (Preparation(128, 0.25, False, 1), "version 1"),
    ],
)
def test_each_difference_is_refused_and_named(other: Preparation, word: str) -> None:
    one = Preparation(128, 0.25, False, 2)
    with pytest.raises(UserError, match=f"prepared differently.*{word}"):
        check_preparations({"real": one, "generated": other})


def test_what_is_not_known_is_not_refused() -> None:
    one = Preparation(128, 0.25, True, 2)
    check_preparations({"real": one, "generated": None})
    check_preparations({"real": one, "generated": one})
    check_preparations({"real": one.at(64), "generated": Preparation(64, 0.25, False, 2)})
    with pytest.raises(UserError):
        check_preparations({"real": one.at(64), "generated": Preparation(64, 0.1, False, 2)})
