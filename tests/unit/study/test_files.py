"""Nothing but pixels tells real from synthetic: not by a file's size, name, place, time or bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

from woundgen.data.files.images import write_png
from woundgen.metrics.intervals import binomial_bounds
from woundgen.study.files import draw_ids, write_pictures


def pictures(count: int = 120) -> tuple[list[np.ndarray], np.ndarray]:
    """Noise and smooth ramps, which compress very differently."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 64).astype(np.uint8)[None, :, None].repeat(64, 0).repeat(3, 2)
    real = np.arange(count) % 2 == 0
    images = [
        rng.integers(0, 256, (64, 64, 3), np.uint8) if one else ramp + np.uint8(i % 50) for i, one in enumerate(real)
    ]
    return images, real


def file_properties(path: Path, place: int) -> list[float]:
    """Whatever a reader, or a script of his, could see without looking at the picture."""
    content, state = path.read_bytes(), path.stat()
    start = content.index(b"IDAT")
    return [
        len(content), state.st_mtime, state.st_mode, state.st_nlink, place, int(path.stem[:8], 16),
        int(path.stem[8:], 16), start, float(sum(content[:start])), content.count(b"IDAT"),
        float(sum(content[-12:])), state.st_blocks,
    ]  # fmt: skip


def told_apart(properties: list[list[float]], real: np.ndarray) -> int:
    """How many a random forest calls rightly, cross-validated."""
    model = RandomForestClassifier(200, random_state=0)
    return int((cross_val_predict(model, np.array(properties), real, cv=10) == real).sum())


@pytest.mark.slow
def test_a_classifier_on_file_properties_is_at_chance(tmp_path: Path) -> None:
    images, real = pictures()
    names = draw_ids(len(images))
    write_pictures(tmp_path, images, names)
    listed = [path.stem for path in (tmp_path / "images").iterdir()]
    properties = [file_properties(tmp_path / "images" / f"{name}.png", listed.index(name)) for name in names]
    low, high = binomial_bounds(told_apart(properties, real), len(real), level=0.999)
    assert low <= 0.5 <= high


@pytest.mark.slow
def test_the_classifier_can_tell_where_something_tells(tmp_path: Path) -> None:
    """The same pictures as ordinary, compressed PNG files: their size gives them away."""
    images, real = pictures()
    (tmp_path / "images").mkdir()
    names = draw_ids(len(images))
    for name, pixels in zip(names, images, strict=True):
        write_png(tmp_path / "images" / f"{name}.png", pixels, text={})
    properties = [file_properties(tmp_path / "images" / f"{name}.png", 0) for name in names]
    assert told_apart(properties, real) > 0.95 * len(real)


def test_files_differ_in_pixels_alone(tmp_path: Path) -> None:
    images, _ = pictures(20)
    names = draw_ids(20)
    write_pictures(tmp_path, images, names)
    paths = [tmp_path / "images" / f"{name}.png" for name in names]
    assert len({path.stat().st_size for path in paths}) == 1
    assert len({path.stat().st_mtime_ns for path in paths}) == 1
    assert len({path.read_bytes()[: path.read_bytes().index(b"IDAT")] for path in paths}) == 1
    for path, pixels in zip(paths, images, strict=True):
        with Image.open(path) as picture:
            assert picture.info == {}
            assert (np.asarray(picture) == pixels).all()


def test_names_say_nothing() -> None:
    names = draw_ids(1000)
    assert len(set(names)) == 1000
    values = np.array([int(name, 16) for name in names], float)
    assert abs(np.corrcoef(values, np.arange(1000))[0, 1]) < 0.12
