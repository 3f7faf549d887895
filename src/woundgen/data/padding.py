"""Black padding around a photograph, found so that no crop shows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.records import Box

Pixels = np.ndarray | Image.Image  # uint8 [H, W, 3], or RGB
Lit = Callable[[int, int], NDArray[np.float64]]

_BLACK = 16  # padding of zeros stays below it nearly everywhere after JPEG
_LIT_SHARE = 0.02  # lines with fewer values above black are padding
_RINGING, _RINGING_SHARE = 16, 0.5  # JPEG rings across one block of 8 or 16: lines mostly black there go too
_LINES = 16  # looked at together
_SEAM = 2  # lines next to padding that resizing blended with it


def content_box(pixels: Pixels) -> Box:
    """Where the photograph itself lies in uint8 [H, W, 3]: black padding on any side, and its seam, left out.

    A picture that is black all over, or nearly so, is its own content.
    """
    image = as_image(pixels)
    width, height = image.size
    bright = image.getbbox() or (0, 0, width, height)  # every line beyond it is of zeros: no need to look there

    def rows(i: int, j: int) -> NDArray[np.float64]:
        return _lit(image.crop((0, i, width, j)))

    top = _padding(rows, known=bright[1], count=height)
    bottom = height - _padding(lambda i, j: rows(height - j, height - i)[::-1], known=height - bright[3], count=height)
    if bottom <= top:
        return Box(0, 0, width, height)

    def columns(i: int, j: int) -> NDArray[np.float64]:
        return _lit(image.crop((i, top, j, bottom)).transpose(Image.Transpose.TRANSPOSE))

    left = _padding(columns, known=bright[0], count=width)
    right = width - _padding(lambda i, j: columns(width - j, width - i)[::-1], known=width - bright[2], count=width)
    if right <= left:
        return Box(0, 0, width, height)
    return Box(left, top, right, bottom)


def as_image(pixels: Pixels) -> Image.Image:
    """An image is given back as it is: a part of it can be taken without an array of all."""
    return pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))


def _padding(lit: Lit, *, known: int, count: int) -> int:
    """How many leading lines, of `count`, are padding or its seam, `known` of them at least.

    lit: share of values above black of lines i..j.
    """
    black = _leading(lit, known, count, lit_share=_LIT_SHARE)
    if black in (0, count):
        return black
    return _leading(lit, black, min(black + _RINGING, count), lit_share=_RINGING_SHARE) + _SEAM


def _leading(lit: Lit, start: int, end: int, *, lit_share: float) -> int:
    """The first line from `start` on with more than `lit_share` of its values brighter than black, or `end`."""
    first = start
    while first < end:
        last = min(first + (1 if first == 0 else _LINES), end)  # one at first: most photographs have no padding
        over = np.flatnonzero(lit(first, last) > lit_share)
        if len(over):
            return first + int(over[0])
        first = last
    return end


def _lit(part: Image.Image) -> NDArray[np.float64]:
    """[n]: share of values above black in each of n rows; bits are counted in a tenth of the time of booleans."""
    values = np.asarray(part).reshape(part.height, -1)
    return np.bitwise_count(np.packbits(values > _BLACK, axis=1)).sum(axis=1) / values.shape[1]
