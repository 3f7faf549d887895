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
# Set by hand on 43 stamped and 337 other photographs, the same that docs/results/issue7-data.md counts; grey levels.
_MORE_STEPS, _MORE_ORANGE, _ORANGE = 7.0, 6.0, 40.0
_STEP_CAP = 40  # one hard edge is not text
_CELL = 3  # pixels; everything after the steps is done on their means over such squares
_AROUND = 6 / 384  # strokes and their outline reach a little further than dense steps


def stamp_in(band: NDArray[np.uint8], *, shorter: int) -> Box | None:
    """The box of a date stamp in rows uint8 [h, W, 3] at an edge of a photograph; None where there is none.

    shorter: side of the photograph, padding aside, by which digits are large or small.
    """
    if shorter < _LEAST_SIDE:
        return None
    factor = max(1, shorter // _WORKING_SIDE)
    picture = Image.fromarray(np.ascontiguousarray(band)).reduce(factor)
    cell = _CELL if shorter // factor >= _CELL * 75 else 1  # of a small photograph the digits would be lost in cells
    steps, values = _cells(picture, cell)
    factor *= cell
    high, wide, apart, around = (max(1, round(k * shorter / factor)) for k in (_HEIGHT, _WIDTH, _APART, _AROUND))
    if values.shape[0] <= 2 * apart + high or values.shape[1] < wide:
        return None
    orange = _mean(values[..., 0] - values[..., 2], high, wide)
    more_steps, more_orange = _above_both(_mean(steps, high, wide), apart), _above_both(orange, apart)
    score = np.minimum(more_steps / _MORE_STEPS, more_orange / _MORE_ORANGE)
    score = np.minimum(score, orange[apart:-apart] / _ORANGE)
    score[:, : wide // 2] = score[:, -(wide // 2) :] = 0  # a window that leaves the picture
    y, x = np.unravel_index(score.argmax(), score.shape)
    if score[y, x] < 1:
        return None
    top, bottom = int(y) + apart - high // 2, int(y) + apart + high // 2
    left, right = _columns(steps[max(0, top) : bottom + 1], int(x), wide=wide, window=around)
    corners = (left - around, top - around, right + around, bottom + around)
    x_min, y_min, x_max, y_max = (max(0, corner) * factor for corner in corners)
    return Box(x_min, y_min, min(x_max, band.shape[1]), min(y_max, band.shape[0]))


def _cells(picture: Image.Image, cell: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means over squares of `cell` pixels: [h, w] steps of brightness along rows, [h, w, 3] colour."""
    grey = np.asarray(picture.convert("L")).astype(np.int16)
    steps = np.minimum(np.abs(np.diff(grey, axis=1, append=grey[:, -1:])), _STEP_CAP)
    rows, columns = steps.shape[0] // cell, steps.shape[1] // cell
    means = steps[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    values = np.asarray(picture.reduce(cell), np.float32)[:rows, :columns]
    return means.astype(np.float32), values


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
