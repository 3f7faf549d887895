"""Date stamps: the orange or yellow digits that cameras burn in near the lower or upper edge. Found so that no crop
shows them.

A stamp is a box, of the proportions of "10/05/2017", in which horizontal steps of brightness are denser, and the colour
is more orange, than both above and below it. White stamps are not found, nor digits on skin as orange as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d

from woundgen.records import Box

BAND = 0.22  # of the height, at either edge, in which a stamp lies
# Of the shorter side: height and width of the digits' box, and how far above and below it is compared.
_HEIGHT, _WIDTH, _APART = 12 / 384, 74 / 384, 16 / 384
_WORKING_SIDE = 384
_LEAST_SIDE = 100  # in a smaller photograph digits are dots
# Set by hand on 43 stamped and 337 other photographs, the same that docs/results/photographs.md counts; grey levels.
_MORE_STEPS, _MORE_ORANGE, _ORANGE = 7.0, 6.0, 40.0
_STEP_CAP = 40  # one hard edge is not text
_CELL = 3  # pixels; everything after the steps is done on their means over such squares
_AROUND = 6 / 384  # strokes and their outline reach a little further than dense steps


def stamp_in(band: Image.Image, *, shorter: int) -> Box | None:
    """The box of a date stamp in `band`, RGB, the rows at an edge of a photograph; None where there is none.

    shorter: side of the photograph, padding aside, by which digits are large or small.
    """
    if shorter < _LEAST_SIDE:
        return None
    factor = max(1, shorter // _WORKING_SIDE)
    picture = band.reduce(factor) if factor > 1 else band
    cell = _CELL if shorter // factor >= _CELL * 75 else 1  # of a small photograph the digits would be lost in cells
    colours = np.asarray(picture.reduce(cell))[: picture.height // cell, : picture.width // cell]
    factor *= cell
    high, wide, apart, around = (max(1, round(k * shorter / factor)) for k in (_HEIGHT, _WIDTH, _APART, _AROUND))
    if colours.shape[0] <= 2 * apart + high or colours.shape[1] < wide:
        return None
    orange = _mean(colours[..., 0].astype(np.float32) - colours[..., 2], high, wide)
    score = np.minimum(_above_both(orange, apart) / _MORE_ORANGE, orange[apart:-apart] / _ORANGE)
    score[:, : wide // 2] = score[:, -(wide // 2) :] = 0  # a window that leaves the picture
    if score.max() < 1:  # most bands are done here, without a look at their steps
        return None
    steps = _steps(picture, cell)
    score = np.minimum(score, _above_both(_mean(steps, high, wide), apart) / _MORE_STEPS)
    y, x = np.unravel_index(score.argmax(), score.shape)
    if score[y, x] < 1:
        return None
    top, bottom = int(y) + apart - high // 2, int(y) + apart + high // 2
    left, right = _columns(steps[max(0, top) : bottom + 1], int(x), wide=wide, window=around)
    corners = (left - around, top - around, right + around, bottom + around)
    x_min, y_min, x_max, y_max = (max(0, corner) * factor for corner in corners)
    return Box(x_min, y_min, min(x_max, band.width), min(y_max, band.height))


def _steps(picture: Image.Image, cell: int) -> NDArray[np.float32]:
    """Steps of brightness along rows, capped: means over squares of `cell` pixels, [h, w]."""
    grey = np.asarray(picture.convert("L"))
    after = np.concatenate([grey[:, 1:], grey[:, -1:]], axis=1)
    steps = np.minimum(np.maximum(grey, after) - np.minimum(grey, after), _STEP_CAP)
    rows, columns = steps.shape[0] // cell * cell, steps.shape[1] // cell * cell
    down = sum(steps[first:rows:cell] for first in range(cell))  # at most 3 * 40: still a byte
    total = sum(down[:, first:columns:cell].astype(np.uint16) for first in range(cell))
    return (total / cell**2).astype(np.float32)


def _columns(steps: NDArray[np.float32], middle: int, *, wide: int, window: int) -> tuple[int, int]:
    """First and last column of the digits: the window that was found may sit beside their middle."""
    first = max(0, middle - wide)
    density = uniform_filter1d(steps.mean(axis=0), window)[first : middle + wide]
    dense = np.flatnonzero(density > density.max() / 2)
    return first + int(dense[0]), first + int(dense[-1])


def _mean(values: NDArray[np.float32], high: int, wide: int) -> NDArray[np.float32]:
    """Over a window of each pixel."""
    return uniform_filter1d(uniform_filter1d(values, high, axis=0, mode="nearest"), wide, axis=1, mode="nearest")


def _above_both(values: NDArray[np.float32], apart: int) -> NDArray[np.float32]:
    """How far the rows [apart, -apart) exceed the greater of those `apart` above and below."""
    return values[apart:-apart] - np.maximum(values[: -2 * apart], values[2 * apart :])
