"""From a photograph to a square of the model's resolution: the same function for training, references and
evaluation. Padding and date stamps are cut away, the wound's box is framed with a margin, and the square is resized."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from woundgen.data.images import decode_photograph, read_file
from woundgen.data.pixel_cache import PixelCache
from woundgen.data.problems import raise_together
from woundgen.data.stamps import BAND, find_stamp
from woundgen.errors import UserError
from woundgen.records import Box, Photo
from woundgen.rundir import sha256_json

PREPARATION_VERSION = 2  # part of every cache key: raise it when pixels change

_BLACK = 16  # padding of zeros stays below it nearly everywhere after JPEG
_LIT_SHARE = 0.02  # lines with fewer values above black are padding
_RINGING, _RINGING_SHARE = 16, 0.5  # JPEG rings across one block of 8 or 16: lines mostly black there go too
_SEAM = 2  # lines next to padding that resizing blended with it


def content_box(pixels: np.ndarray) -> Box:
    """Where the photograph itself lies in uint8 [H, W, 3]: black padding on any side, and its seam, left out.

    A picture that is black all over, or nearly so, is its own content.
    """
    height, width = pixels.shape[:2]
    top, bottom = _padding(pixels), height - _padding(pixels[::-1])
    if bottom <= top:
        return Box(0, 0, width, height)
    columns = pixels[top:bottom].swapaxes(0, 1)
    left, right = _padding(columns), width - _padding(columns[::-1])
    if right <= left:
        return Box(0, 0, width, height)
    return Box(left, top, right, bottom)


def _padding(lines: np.ndarray) -> int:
    """How many leading lines of [lines, pixels, 3] are padding or its seam."""
    black = _leading(lines, lit_share=_LIT_SHARE)
    if black in (0, len(lines)):
        return black
    return black + _leading(lines[black : black + _RINGING], lit_share=_RINGING_SHARE) + _SEAM


def _leading(lines: np.ndarray, *, lit_share: float) -> int:
    """How many leading lines have at most `lit_share` of their values brighter than black."""
    # Line by line, since most photographs have no padding; count_nonzero without axis is the fast one.
    lit = (np.count_nonzero(line > _BLACK) / line.size for line in lines)
    return next((index for index, share in enumerate(lit) if share > lit_share), len(lines))


def crop_to_box(pixels: np.ndarray, box: Box | None, *, margin: float) -> np.ndarray:
    """The square of uint8 [H, W, 3] that frames `box`, as a view [S, S, 3].

    S = longer side of the box × (1 + 2·margin), at most the shorter side of the content. It is centred on the
    box, and shifted, never padded, to stay inside the content; so the whole box is in it unless S had to be
    cut below the longer side. Without a box: the largest square in the middle of the content. Where the square
    would show a date stamp, the rows from it to the edge are no content, or else the columns; a box that reaches
    into both stays whole.
    """
    square = square_for(pixels, box, margin=margin)
    return pixels[square.y_min : square.y_max, square.x_min : square.x_max]


def square_for(pixels: np.ndarray, box: Box | None, *, margin: float) -> Box:
    """Where `crop_to_box` cuts."""
    content = content_box(pixels)
    square = _square(content, box, margin=margin)
    if _near_an_edge(square, content):  # looking for a stamp takes as long as the rest of the preparation
        found = find_stamp(pixels[content.y_min : content.y_max, content.x_min : content.x_max])
        if found is not None:
            stamp = moved(found, content.x_min, content.y_min)
            ways = [_square(rest, box, margin=margin) for rest in _without(content, stamp)]
            square = next((way for way in (square, *ways) if not overlap(way, stamp)), ways[0])
    return square


def moved(box: Box, x: int, y: int) -> Box:
    return Box(box.x_min + x, box.y_min + y, box.x_max + x, box.y_max + y)


def overlap(first: Box, second: Box) -> bool:
    across = first.x_min < second.x_max and second.x_min < first.x_max
    return across and first.y_min < second.y_max and second.y_min < first.y_max


def _near_an_edge(square: Box, content: Box) -> bool:
    band = round(BAND * (content.y_max - content.y_min))
    return square.y_max > content.y_max - band or square.y_min < content.y_min + band


def _without(content: Box, stamp: Box) -> tuple[Box, Box]:
    """`content` without the rows, and without the columns, from a stamp to the nearer edge."""
    rows, columns = asdict(content), asdict(content)
    if stamp.y_min + stamp.y_max > content.y_min + content.y_max:
        rows["y_max"] = stamp.y_min
    else:
        rows["y_min"] = stamp.y_max
    if stamp.x_min + stamp.x_max > content.x_min + content.x_max:
        columns["x_max"] = stamp.x_min
    else:
        columns["x_min"] = stamp.x_max
    return Box(**rows), Box(**columns)


def _square(content: Box, box: Box | None, *, margin: float) -> Box:
    frame = _around(content, box) if box else content  # a wound reaching into a dark border stays whole
    largest = min(frame.x_max - frame.x_min, frame.y_max - frame.y_min)
    centre_on = box or frame
    wanted = max(box.x_max - box.x_min, box.y_max - box.y_min) * (1 + 2 * margin) if box else largest
    side = min(round(wanted), largest)
    left = _place(centre_on.x_min, centre_on.x_max, side=side, low=frame.x_min, high=frame.x_max)
    top = _place(centre_on.y_min, centre_on.y_max, side=side, low=frame.y_min, high=frame.y_max)
    return Box(left, top, left + side, top + side)


def _around(first: Box, second: Box) -> Box:
    return Box(
        min(first.x_min, second.x_min),
        min(first.y_min, second.y_min),
        max(first.x_max, second.x_max),
        max(first.y_max, second.y_max),
    )


def _place(start: int, end: int, *, side: int, low: int, high: int) -> int:
    return min(max((start + end - side) // 2, low), high - side)


def prepare(photo: Photo, *, resolution: int, margin: float, roots: Sequence[Path]) -> np.ndarray:
    """One photograph as uint8 [R, R, 3] sRGB, resized with antialiasing (Lanczos). Raises UserError."""
    content = read_file(Path(photo.path), roots=roots)
    return _prepare_bytes(content, photo, resolution=resolution, margin=margin)


def _prepare_bytes(content: bytes, photo: Photo, *, resolution: int, margin: float) -> np.ndarray:
    assert margin >= 0
    pixels = decode_photograph(content, name=photo.path)
    if photo.box is not None:
        _refuse_outside(photo.box, shape=pixels.shape, name=photo.path)
    square = Image.fromarray(np.ascontiguousarray(crop_to_box(pixels, photo.box, margin=margin)))
    return np.array(square.resize((resolution, resolution), Image.Resampling.LANCZOS))


def _refuse_outside(box: Box, *, shape: tuple[int, ...], name: str) -> None:
    height, width = shape[:2]
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
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """`prepare` for all photographs: uint8 [N, R, R, 3], rows in the order of `photos`.

    cache_dir: kept private (mode 0700), since it holds patients' pixels; None for no cache.
    progress: called with (done, all) after each. The unusable files are reported together in one UserError.
    """
    cache = PixelCache.open(cache_dir) if cache_dir is not None else None
    result = np.empty((len(photos), resolution, resolution, 3), np.uint8)
    problems: list[str] = []
    for row, photo in enumerate(photos):
        try:
            result[row] = _cached(photo, resolution=resolution, margin=margin, roots=roots, cache=cache)
        except UserError as error:
            problems.append(str(error))
        if progress is not None:
            progress(row + 1, len(photos))
    fix = "Mend or remove these files, then start again." if len(problems) > 1 else ""
    raise_together(problems, heading=f"{len(photos)} photographs", fix=fix)
    return result


def _cached(
    photo: Photo, *, resolution: int, margin: float, roots: Sequence[Path], cache: PixelCache | None
) -> np.ndarray:
    content = read_file(Path(photo.path), roots=roots)
    if cache is None:
        return _prepare_bytes(content, photo, resolution=resolution, margin=margin)
    key = _cache_key(content, photo, resolution=resolution, margin=margin)
    pixels = cache.get(key, shape=(resolution, resolution, 3))
    if pixels is None:
        pixels = _prepare_bytes(content, photo, resolution=resolution, margin=margin)
        cache.put(key, pixels)
    return pixels


def _cache_key(content: bytes, photo: Photo, *, resolution: int, margin: float) -> str:
    """Digest of everything that decides the pixels; the decoder's version is part of it."""
    return sha256_json(
        {
            "photograph": hashlib.sha256(content).hexdigest(),
            "box": asdict(photo.box) if photo.box else None,
            "resolution": resolution,
            "margin": margin,
            "version": PREPARATION_VERSION,
            "pillow": PIL.__version__,
        }
    )
