"""Black padding around a photograph, found so that no crop shows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.records import Box

Pixels = np.ndarray | Image.Image  # uint8 [H, W, 3], or RGB
Lines = NDArray[np.float64]  # a value for each of some rows or columns

_BLACK = 16  # padding of zeros stays below it nearly everywhere after JPEG
_LIT_SHARE = 0.02  # lines with fewer values above black are padding
_RINGING, _RINGING_SHARE = 16, 0.5  # JPEG rings across one block of 8 or 16: lines mostly black there go too
_LINES = 8  # looked at together: JPEG keeps zeros beyond its block of 8
_SEAM = 2  # lines next to padding that resizing blended with it


def content_box(pixels: Pixels) -> Box:
    """Return the box of the photograph itself in uint8 [H, W, 3], without black padding on any side and its seam.

    A picture that is black all over, or nearly so, is its own content.
    """
    image = as_image(pixels)
    width, height = image.size
    bright = image.getbbox() or (0, 0, width, height)  # every line beyond it is of zeros: no need to look there

    def rows(i: int, j: int) -> Lines:
        lit = _lit(image.crop((0, i, width, j)))
        return lit.sum(axis=1, dtype=np.uint32) / lit.shape[1]

    top = _padding(rows, known=bright[1], count=height)
    bottom = height - _padding(lambda i, j: rows(height - j, height - i)[::-1], known=height - bright[3], count=height)
    if bottom <= top:
        return Box(0, 0, width, height)

    def columns(i: int, j: int) -> Lines:
        lit = _lit(image.crop((i, top, j, bottom)))
        return lit.sum(axis=0, dtype=np.uint32).reshape(-1, 3).sum(axis=1) / (3 * len(lit))

    left = _padding(columns, known=bright[0], count=width)
    right = width - _padding(lambda i, j: columns(width - j, width - i)[::-1], known=width - bright[2], count=width)
    if right <= left:
        return Box(0, 0, width, height)
    return Box(left, top, right, bottom)


def as_image(pixels: Pixels) -> Image.Image:
    """An image is given back as it is: a part of it can be taken without an array of all."""
    return pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))


def _padding(shares: Callable[[int, int], Lines], *, known: int, count: int) -> int:
    """How many leading lines, of `count`, are padding or its seam, `known` of them at least.

    shares: of values above black, in each of lines i..j.
    """
    if known == 0 and shares(0, 1)[0] > _LIT_SHARE:  # most photographs have no padding
        return 0
    for first in range(known, count, _LINES):
        found = shares(first, min(first + _LINES + _RINGING, count))
        lit = np.flatnonzero(found[:_LINES] > _LIT_SHARE)
        if len(lit):
            ringing = found[lit[0] : lit[0] + _RINGING] <= _RINGING_SHARE
            return first + int(lit[0]) + (len(ringing) if ringing.all() else int(ringing.argmin())) + _SEAM
    return count


def _lit(part: Image.Image) -> NDArray[np.bool_]:
    """[h, 3 w]: which values are above black."""
    return np.frombuffer(part.tobytes(), np.uint8).reshape(part.height, -1) > _BLACK
