"""Where in a photograph the picture for training lies: padding and date stamps left out, the wound's box framed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import cast

import numpy as np
from PIL import Image

from woundgen.data.stamps import BAND, stamp_in
from woundgen.records import Box

Pixels = np.ndarray | Image.Image  # uint8 [H, W, 3], or RGB
Lit = Callable[[int, int], np.ndarray]

_BLACK = 16  # padding of zeros stays below it nearly everywhere after JPEG
_LIT_SHARE = 0.02  # lines with fewer values above black are padding
_RINGING, _RINGING_SHARE = 16, 0.5  # JPEG rings across one block of 8 or 16: lines mostly black there go too
_LINES = 32  # looked at together
_SEAM = 2  # lines next to padding that resizing blended with it


def content_box(pixels: Pixels) -> Box:
    """Where the photograph itself lies in uint8 [H, W, 3]: black padding on any side, and its seam, left out.

    A picture that is black all over, or nearly so, is its own content.
    """
    width, height = size_of(pixels)

    def rows(i: int, j: int) -> np.ndarray:
        return _lit_rows(cut(pixels, Box(0, i, width, j)))

    top = _padding(rows, count=height)
    bottom = height - _padding(lambda i, j: rows(height - j, height - i)[::-1], count=height)
    if bottom <= top:
        return Box(0, 0, width, height)

    def columns(i: int, j: int) -> np.ndarray:
        return _lit_columns(cut(pixels, Box(i, top, j, bottom)))

    left = _padding(columns, count=width)
    right = width - _padding(lambda i, j: columns(width - j, width - i)[::-1], count=width)
    if right <= left:
        return Box(0, 0, width, height)
    return Box(left, top, right, bottom)


def size_of(pixels: Pixels) -> tuple[int, int]:
    """(width, height)"""
    return pixels.size if isinstance(pixels, Image.Image) else (pixels.shape[1], pixels.shape[0])


def cut(pixels: Pixels, box: Box) -> np.ndarray:
    """uint8 [h, w, 3] of `box`. Of an image that is not an array yet, only these pixels become one."""
    if isinstance(pixels, Image.Image):
        part = pixels.crop((box.x_min, box.y_min, box.x_max, box.y_max))
        extremes = cast(tuple[tuple[int, int], ...], part.getextrema())  # of each of the three channels
        if max(high for _, high in extremes) == 0:  # most padding, without a copy of it
            return np.zeros((part.height, part.width, 3), np.uint8)
        return np.asarray(part)
    return pixels[box.y_min : box.y_max, box.x_min : box.x_max]


def _padding(lit: Lit, *, count: int) -> int:
    """How many leading lines, of `count`, are padding or its seam. lit: share of values above black of lines i..j."""
    black = _leading(lit, 0, count, lit_share=_LIT_SHARE)
    if black in (0, count):
        return black
    ringing = _leading(lit, black, min(black + _RINGING, count), lit_share=_RINGING_SHARE)
    return black + ringing + _SEAM


def _leading(lit: Lit, start: int, end: int, *, lit_share: float) -> int:
    """How many lines from `start` on have at most `lit_share` of their values brighter than black."""
    first = start
    while first < end:
        last = min(first + (_LINES if first > start else 1), end)  # one at first: most photographs have no padding
        over = np.flatnonzero(lit(first, last) > lit_share)
        if len(over):
            return first - start + int(over[0])
        first = last
    return end - start


# Counting bits of packed lines is a tenth of the time of summing booleans.
def _lit_rows(block: np.ndarray) -> np.ndarray:
    """[n]: share of values above black in each row of uint8 [n, m, 3]."""
    bits = np.packbits((block > _BLACK).reshape(len(block), -1), axis=1)
    return np.bitwise_count(bits).sum(axis=1) / block[0].size


def _lit_columns(block: np.ndarray) -> np.ndarray:
    """[m]: the same for columns of [n, m, 3]."""
    bits = np.packbits((block > _BLACK).reshape(len(block), -1), axis=0)
    return np.bitwise_count(bits).sum(axis=0).reshape(-1, 3).sum(axis=1) / block[:, 0].size


def crop_to_box(pixels: np.ndarray, box: Box | None, *, margin: float) -> np.ndarray:
    """The square of uint8 [H, W, 3] that frames `box`, as a view [S, S, 3].

    S = longer side of the box × (1 + 2·margin), at most the shorter side of the content. It is centred on the
    box, and shifted, never padded, to stay inside the content; so the whole box is in it unless S had to be
    cut below the longer side. Without a box: the largest square in the middle of the content. Where the square
    would show a date stamp, the rows from it to the edge are no content, or else the columns; a box that reaches
    into both stays whole.
    """
    return cut(pixels, square_for(pixels, box, margin=margin))


def square_for(pixels: Pixels, box: Box | None, *, margin: float) -> Box:
    """Where `crop_to_box` cuts."""
    content = content_box(pixels)
    square = _square(content, box, margin=margin)
    for band in _bands(content):
        if overlap(square, band):  # looking for a stamp takes long, and most crops are far from one
            found = stamp_in(cut(pixels, band), shorter=min(*size_of_box(content)))
            if found is not None:
                stamp = moved(found, band.x_min, band.y_min)
                ways = [_square(rest, box, margin=margin) for rest in _without(content, stamp)]
                return next((way for way in (square, *ways) if not overlap(way, stamp)), ways[0])
    return square


def find_stamp(pixels: Pixels, content: Box) -> Box | None:
    """The box of a date stamp in the photograph, at its lower or upper edge; None where there is none."""
    for band in _bands(content):
        found = stamp_in(cut(pixels, band), shorter=min(*size_of_box(content)))
        if found is not None:
            return moved(found, band.x_min, band.y_min)
    return None


def _bands(content: Box) -> tuple[Box, Box]:
    """Where stamps lie: at the lower edge, at the upper one."""
    rows = round(BAND * (content.y_max - content.y_min))
    lower = Box(content.x_min, content.y_max - rows, content.x_max, content.y_max)
    return lower, Box(content.x_min, content.y_min, content.x_max, content.y_min + rows)


def size_of_box(box: Box) -> tuple[int, int]:
    return box.x_max - box.x_min, box.y_max - box.y_min


def moved(box: Box, x: int, y: int) -> Box:
    return Box(box.x_min + x, box.y_min + y, box.x_max + x, box.y_max + y)


def overlap(first: Box, second: Box) -> bool:
    across = first.x_min < second.x_max and second.x_min < first.x_max
    return across and first.y_min < second.y_max and second.y_min < first.y_max


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
