"""Find the square of a photograph to train on: padding and date stamps left out, the wound's box framed."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from PIL import Image

from woundgen.data.pixels.padding import Pixels, as_image, content_box
from woundgen.data.pixels.stamps import BAND, stamp_in
from woundgen.records import Box


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


def square_for(pixels: Pixels, box: Box | None, *, margin: float) -> Box:
    """Return the square that `crop_to_box` cuts."""
    image = as_image(pixels)
    content = content_box(image)
    square = _square(content, box, margin=margin)
    for band in bands(content):
        if overlap(square, band):  # looking for a stamp takes long, and most crops are far from one
            stamp = _stamp(image, band, content)
            if stamp is not None:
                ways = [_square(rest, box, margin=margin) for rest in _without(content, stamp)]
                return next((way for way in (square, *ways) if not overlap(way, stamp)), ways[0])
    return square


def find_stamp(pixels: Pixels, content: Box) -> Box | None:
    """The box of a date stamp in the photograph, at its lower or upper edge; None where there is none."""
    image = as_image(pixels)
    found = (_stamp(image, band, content) for band in bands(content))
    return next((stamp for stamp in found if stamp is not None), None)


def _stamp(image: Image.Image, band: Box, content: Box) -> Box | None:
    found = stamp_in(image.crop(corners(band)), shorter=min(*size_of_box(content)))
    return moved(found, band.x_min, band.y_min) if found is not None else None


def bands(content: Box) -> tuple[Box, Box]:
    """Return the bands in which stamps lie: at the lower edge and at the upper one."""
    rows = round(BAND * (content.y_max - content.y_min))
    lower = Box(content.x_min, content.y_max - rows, content.x_max, content.y_max)
    return lower, Box(content.x_min, content.y_min, content.x_max, content.y_min + rows)


def corners(box: Box) -> tuple[int, int, int, int]:
    """As Pillow takes them."""
    return box.x_min, box.y_min, box.x_max, box.y_max


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
