"""Padding found, squares framed, and a cache that never gives other pixels than the photograph would."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from woundgen.data.files.images import write_png
from woundgen.data.pixels import prepare as module
from woundgen.data.pixels.crop import crop_to_box
from woundgen.data.pixels.padding import content_box
from woundgen.data.pixels.prepare import prepare, prepare_all
from woundgen.errors import UserError
from woundgen.records import Box, Photo
from woundgen.storage.files import sha256_file


def noise(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(30, 256, (height, width, 3)).astype(np.uint8)


def padded(*, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> np.ndarray:
    return np.pad(noise(80, 100), ((top, bottom), (left, right), (0, 0)))


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(60, 256, (6, 7, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_no_padding_is_left_alone() -> None:
    assert content_box(noise(80, 100)) == Box(0, 0, 100, 80)


@pytest.mark.parametrize("quality", [None, 60])
def test_padding_on_any_side(quality: int | None, tmp_path: Path) -> None:
    """Nothing black is left, and no more than the seam of a bright photograph is lost, JPEG blocks or not."""
    pixels = np.pad(smooth(80, 100), ((13, 40), (21, 5), (0, 0)))
    if quality:
        Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=quality)
        pixels = np.asarray(Image.open(tmp_path / "a.jpg"))
    found = content_box(pixels)
    assert 21 <= found.x_min <= 23
    assert 13 <= found.y_min <= 15
    assert 119 <= found.x_max <= 121
    assert 91 <= found.y_max <= 93


def test_black_all_over() -> None:
    assert content_box(np.zeros((30, 40, 3), np.uint8)) == Box(0, 0, 40, 30)


def padding_by_definition(lines: np.ndarray) -> int:
    """Of [n, m, 3], looked at line by line: the dark ones, up to 16 that ring, and two of the seam."""
    bright = [float((line > 16).mean()) for line in lines]
    dark = next((n for n, share in enumerate(bright) if share > 0.02), len(bright))
    if dark in (0, len(bright)):
        return dark
    near = bright[dark : dark + 16]
    return dark + next((n for n, share in enumerate(near) if share > 0.5), len(near)) + 2


@given(
    st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 45)] * 4), st.sampled_from([0, 1, 14, 40]), st.integers(0, 24)
)
@settings(max_examples=60, deadline=None)
def test_padding_is_what_its_definition_says(seed: int, sides: tuple[int, ...], noise_to: int, faint: int) -> None:
    """Borders of zeros, faint noise and bright specks, `faint` half-lit lines beside them, on any side or none."""
    rng = np.random.default_rng(seed)
    top, bottom, left, right = sides
    pixels = np.pad(noise(30, 50, seed=seed), ((top, bottom), (left, right), (0, 0)))
    pixels[top : top + faint] = np.where(rng.random(pixels[top : top + faint].shape) < 0.3, 90, 3)
    specks = rng.integers(0, noise_to + 1, pixels.shape) * (rng.random(pixels.shape) < 0.1)
    pixels = np.maximum(pixels, specks).astype(np.uint8)
    height, width = pixels.shape[:2]
    first, last = padding_by_definition(pixels), height - padding_by_definition(pixels[::-1])
    turned = pixels[first:last].swapaxes(0, 1)
    expected = Box(0, 0, width, height)
    if last > first:
        found = Box(padding_by_definition(turned), first, width - padding_by_definition(turned[::-1]), last)
        expected = found if found.x_max > found.x_min else expected
    assert content_box(pixels) == expected


def coordinates(height: int, width: int) -> np.ndarray:
    """Pixels that tell where they come from: (y, x, 255), never black."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y, x, np.full_like(y, 255)], axis=-1).astype(np.uint8)


@given(
    st.integers(16, 250),
    st.integers(16, 250),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from([0, 0.25, 1, 9]),
)
@settings(max_examples=150, deadline=None)
def test_crop_frames_the_box(height: int, width: int, corners: tuple[float, ...], margin: float) -> None:
    """Against the definition: side, square, inside, box within, centred unless the edge forbids it."""
    x = sorted(int(c * (width - 1)) for c in corners[:2])
    y = sorted(int(c * (height - 1)) for c in corners[2:])
    box = Box(x[0], y[0], x[1] + 1, y[1] + 1)
    crop = crop_to_box(coordinates(height, width), box, margin=margin)
    longer = max(box.x_max - box.x_min, box.y_max - box.y_min)
    side = min(round(longer * (1 + 2 * margin)), height, width)
    assert crop.shape == (side, side, 3)
    for channel, low, high, end in ((0, box.y_min, box.y_max, height), (1, box.x_min, box.x_max, width)):
        start = int(crop[0, 0, channel])
        if side >= high - low:
            assert start <= low
            assert start + side >= high
        centred = (low + high - side) / 2
        assert abs(start - min(max(centred, 0), end - side)) <= 0.5


def test_no_box_takes_the_middle() -> None:
    crop = crop_to_box(coordinates(60, 100), None, margin=0.5)
    assert crop.shape == (60, 60, 3)
    assert tuple(crop[0, 0, :2]) == (0, 20)
    crop = crop_to_box(padded(right=60), None, margin=0)
    assert crop.shape == (80, 80, 3)
    assert (crop.max(axis=2) > 16).all()


def test_margin_never_reaches_the_padding() -> None:
    pixels = padded(right=60)
    crop = crop_to_box(pixels, Box(80, 30, 97, 60), margin=1.0)
    assert (crop.max(axis=2) > 16).all()


def test_a_wound_in_the_dark_stays_whole() -> None:
    """A box that reaches into what looks like padding: the wound wins."""
    crop = crop_to_box(padded(right=60), Box(90, 30, 120, 50), margin=0)
    assert np.array_equal(crop, padded(right=60)[25:55, 90:120])


def photographs(folder: Path, count: int) -> list[Photo]:
    for index in range(count):
        write_png(folder / f"{index}.png", noise(64, 80, seed=index), text={})
    return [Photo(str(folder / f"{i}.png"), "I", box=Box(10, 10, 40 + i, 40)) for i in range(count)]


def test_prepare_is_crop_and_lanczos(tmp_path: Path) -> None:
    photo = photographs(tmp_path, 1)[0]
    expected = Image.fromarray(noise(64, 80)).crop((2, 2, 47, 47)).resize((32, 32), Image.Resampling.LANCZOS)
    # box 30 x 30, side 30 * 1.5 = 45, left (10 + 40 - 45) // 2 = 2
    found = prepare(photo, resolution=32, margin=0.25, roots=[tmp_path])
    assert np.array_equal(found, np.asarray(expected))


def test_cache_gives_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, cache = photographs(tmp_path, 3), tmp_path / "cache"

    def run(folder: Path | None, margin: float = 0.1) -> np.ndarray:
        return prepare_all(
            photos,
            resolution=16,
            margin=margin,
            roots=[tmp_path],
            cache_dir=folder,
        )

    fresh = run(None)
    assert fresh.shape == (3, 16, 16, 3)
    assert np.array_equal(run(cache), fresh)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert not list(cache.glob(".*"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "decode_image", lambda *_, **__: pytest.fail("decoded again"))
        assert np.array_equal(run(cache), fresh)
    assert np.array_equal(run(cache, margin=0.4), run(None, margin=0.4))
    torn = sorted(cache.iterdir())[0]
    torn.write_bytes(torn.read_bytes()[:-40])
    assert np.array_equal(run(cache), fresh)
    write_png(tmp_path / "0.png", noise(64, 80, seed=77), text={})  # same name, other photograph
    assert np.array_equal(run(cache), run(None))
    assert not np.array_equal(run(cache), fresh)


def test_no_process_is_started_for_what_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torn entry in the second chunk: the first is read here, the rest by processes, in order."""
    photos, cache = photographs(tmp_path, module.CHUNK + 2), tmp_path / "cache"

    def run(processes: int) -> np.ndarray:
        return prepare_all(photos, resolution=8, margin=0, roots=[tmp_path], cache_dir=cache, processes=processes)

    fresh = run(1)
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("a process"))
    assert np.array_equal(run(2), fresh)
    pools: list[int] = []

    def open_pool(count: int, *, mp_context: Any) -> ThreadPoolExecutor:
        pools.append(count)
        return ThreadPoolExecutor(count)

    monkeypatch.setattr(module, "ProcessPoolExecutor", open_pool)
    last = module.PixelCache(cache).entries([sha256_file(Path(photos[-1].path))])[0]
    last.write_bytes(last.read_bytes()[:-40])
    assert np.array_equal(run(2), fresh)
    assert pools == [2]


def test_errors_come_together(tmp_path: Path) -> None:
    photos = photographs(tmp_path, 4)
    (tmp_path / "1.png").write_text("text")
    photos[2] = Photo(photos[2].path, "I", box=Box(0, 0, 81, 10))
    (tmp_path / "3.png").unlink()
    with pytest.raises(UserError) as caught:
        prepare_all(photos, resolution=16, margin=0, roots=[tmp_path], cache_dir=None)
    text = str(caught.value)
    assert "3 problems" in text
    for part in ("1.png is not an image", "2.png: the box (0, 0, 81, 10)", "3.png does not exist"):
        assert part in text


def test_one_error_is_one_line(tmp_path: Path) -> None:
    photos = photographs(tmp_path, 2)
    (tmp_path / "1.png").write_text("text")
    with pytest.raises(UserError) as caught:
        prepare_all(photos, resolution=16, margin=0, roots=[tmp_path], cache_dir=None)
    assert "\n" not in str(caught.value)
