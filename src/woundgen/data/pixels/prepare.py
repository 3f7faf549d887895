"""From a photograph to a square of the model's resolution: the same function for training, references and
evaluation. What `data/pixels/crop.py` frames is resized; prepared pixels may be kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from woundgen.data.files.images import decode_image, is_lossy, photograph_size, read_file
from woundgen.data.files.reader import Reader
from woundgen.data.layouts.row_errors import raise_together
from woundgen.data.pixels.crop import corners, square_for
from woundgen.data.pixels.pixel_cache import PixelCache
from woundgen.errors import UserError
from woundgen.records import Box, Photo, Preparation

PREPARATION_VERSION = 2  # part of every cache key: raise it when pixels change
MARGIN = 0.25  # around the wound's box, share of it, where nothing says otherwise
CHUNK = 16  # photographs that a process takes at a time
_AHEAD = 4  # chunks in flight for each process: memory does not grow with the number of photographs
_WORTH_A_PROCESS = 100  # photographs; starting one costs as much as preparing about as many


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How photographs are prepared: side in pixels, margin around the box, allowed folders, the cache or None."""

    resolution: int
    margin: float
    roots: tuple[Path, ...]
    cache_dir: Path | None


def prepare(photo: Photo, *, resolution: int, margin: float, roots: Sequence[Path]) -> np.ndarray:
    """One photograph as uint8 [R, R, 3] sRGB, resized with antialiasing (Lanczos). Raises UserError."""
    content = read_file(Path(photo.path), roots=roots)
    return _prepare_bytes(content, photo, resolution=resolution, margin=margin)


def prepare_pixels(pixels: np.ndarray, box: Box | None, *, resolution: int, margin: float, name: str) -> np.ndarray:
    """An image uint8 [H, W, 3] that lies in no file, as `prepare` would from a lossless one. `name` is for errors."""
    return _prepare_image(Image.fromarray(pixels), box, resolution=resolution, margin=margin, name=name)


def describe_preparation(
    photos: Sequence[Photo], *, resolution: int, margin: float, roots: Sequence[Path]
) -> Preparation:
    """How `prepare_all` prepares these photographs; only headers are read."""
    traces = sum(_keeps_traces(photo, resolution=resolution, margin=margin, roots=roots) for photo in photos)
    return Preparation(
        resolution=resolution,
        margin=margin if any(photo.box is not None for photo in photos) else None,
        compressed=traces > len(photos) / 2,
        version=PREPARATION_VERSION,
    )


def _keeps_traces(photo: Photo, *, resolution: int, margin: float, roots: Sequence[Path]) -> bool:
    """Whether the file is lossy and its square reduced less than twofold."""
    try:
        with Path(photo.path).open("rb") as file:
            if not is_lossy(file.read(16)):
                return False
    except OSError:
        return False  # preparing will tell
    side = min(photograph_size(Path(photo.path), roots=roots))
    if photo.box is not None:
        longer = max(photo.box.x_max - photo.box.x_min, photo.box.y_max - photo.box.y_min)
        side = min(side, round(longer * (1 + 2 * margin)))
    return side < 2 * resolution


def _prepare_bytes(content: bytes, photo: Photo, *, resolution: int, margin: float) -> np.ndarray:
    image = decode_image(content, name=photo.path)
    return _prepare_image(image, photo.box, resolution=resolution, margin=margin, name=photo.path)


def _prepare_image(image: Image.Image, box: Box | None, *, resolution: int, margin: float, name: str) -> np.ndarray:
    assert margin >= 0
    if box is not None:
        _refuse_outside(box, size=image.size, name=name)
    small = image.crop(corners(square_for(image, box, margin=margin)))
    return np.asarray(small.resize((resolution, resolution), Image.Resampling.LANCZOS))


def _refuse_outside(box: Box, *, size: tuple[int, int], name: str) -> None:
    width, height = size
    if not (0 <= box.x_min < box.x_max <= width and 0 <= box.y_min < box.y_max <= height):
        raise UserError(
            f"{name}: the box ({box.x_min}, {box.y_min}, {box.x_max}, {box.y_max}) is empty or outside the "
            f"{width}x{height} photograph.",
            "Correct the box; the maximum is exclusive.",
        )


def prepare_all(
    photos: Sequence[Photo],
    *,
    resolution: int,
    margin: float,
    roots: Sequence[Path],
    cache_dir: Path | None,
    processes: int | None = None,
) -> np.ndarray:
    """`prepare` for all photographs: uint8 [N, R, R, 3], rows in the order of `photos`.

    cache_dir: kept private (mode 0700), since it holds patients' pixels; None for no cache.
    The unusable files are reported together in one UserError.
    processes: that share the work; None: as many as there are processors, where there are photographs enough.
    """
    recipe = PrepareSettings(resolution, margin, tuple(roots), cache_dir)
    result = np.empty((len(photos), resolution, resolution, 3), np.uint8)
    problems: list[str] = []
    done = 0
    for pixels, found in iterate_prepared(photos, recipe=recipe, processes=processes):
        result[done : done + len(pixels)] = pixels
        done += len(pixels)
        problems += found
    fix = "Mend or remove these files, then start again." if len(problems) > 1 else ""
    raise_together(problems, heading=f"{len(photos)} photographs", fix=fix)
    return result


def iterate_prepared(
    photos: Sequence[Photo], *, recipe: PrepareSettings, processes: int | None
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """(uint8 [n, R, R, 3], problems) of a few photographs at a time, in order; memory does not depend on their number.

    A photograph with a problem is left undefined among the pixels.
    """
    if recipe.cache_dir is not None:
        PixelCache.open(recipe.cache_dir)
    count = _processes(len(photos)) if processes is None else processes
    size = CHUNK if count > 1 else 1
    chunks = [photos[first : first + size] for first in range(0, len(photos), size)]
    if count <= 1:
        yield from (_prepare_chunk(chunk, recipe) for chunk in chunks)
        return
    while chunks and (cached := _read_cached(chunks[0], recipe)) is not None:  # no process is started for these
        yield cached, []
        del chunks[0]
    if not chunks:
        return
    waiting: deque[Future[tuple[np.ndarray, list[str]]]] = deque()
    # Spawned, not forked: the parent may hold torch's threads.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_prepare_chunk, chunk, recipe))
                if len(waiting) >= _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError("A process that prepared photographs died.", "Is there memory enough?") from None


def _read_cached(photos: Sequence[Photo], recipe: PrepareSettings) -> np.ndarray | None:
    """Return the pixels of a chunk from the cache; None where any is missing or cannot be read."""
    if recipe.cache_dir is None:
        return None
    cache, pixels = PixelCache(recipe.cache_dir), []
    with Reader(recipe.roots) as reader:
        for photo in photos:
            try:
                digest = hashlib.sha256(reader.read(photo.path)).hexdigest()
            except UserError:
                return None  # preparing names the problem
            shape = (recipe.resolution, recipe.resolution, 3)
            found = cache.get(digest, _settings_digest(photo, recipe), shape=shape)
            if found is None:
                return None
            pixels.append(found)
    return np.stack(pixels)


def _processes(photographs: int) -> int:
    return max(1, min(len(os.sched_getaffinity(0)), photographs // _WORTH_A_PROCESS))


def _prepare_chunk(photos: Sequence[Photo], recipe: PrepareSettings) -> tuple[np.ndarray, list[str]]:
    cache = PixelCache(recipe.cache_dir) if recipe.cache_dir is not None else None
    pixels = np.empty((len(photos), recipe.resolution, recipe.resolution, 3), np.uint8)
    problems = []
    with Reader(recipe.roots) as reader:
        for row, photo in enumerate(photos):
            try:
                pixels[row] = _cached(reader.read(photo.path), photo, recipe, cache)
            except UserError as error:
                problems.append(str(error))
    return pixels, problems


def _cached(content: bytes, photo: Photo, recipe: PrepareSettings, cache: PixelCache | None) -> np.ndarray:
    if cache is None:
        return _prepare_bytes(content, photo, resolution=recipe.resolution, margin=recipe.margin)
    digest, settings = hashlib.sha256(content).hexdigest(), _settings_digest(photo, recipe)
    pixels = cache.get(digest, settings, shape=(recipe.resolution, recipe.resolution, 3))
    if pixels is None:
        pixels = _prepare_bytes(content, photo, resolution=recipe.resolution, margin=recipe.margin)
        with contextlib.suppress(OSError):  # a full disk makes the next run slower, not this one fail
            cache.put(digest, settings, pixels)
    return pixels


def _settings_digest(photo: Photo, recipe: PrepareSettings) -> str:
    """Of everything beside the file that decides the pixels; the decoder's version is part of it."""
    settings = (photo.box and corners(photo.box), recipe.resolution, recipe.margin)
    return hashlib.sha256(repr((*settings, PREPARATION_VERSION, PIL.__version__)).encode()).hexdigest()
