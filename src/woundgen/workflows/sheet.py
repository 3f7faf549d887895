"""Many images in one picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def tile(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """[N, H, W, 3] -> one picture, row by row, white where images run out."""
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[1:3]
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for number, image in enumerate(images):
        y, x = divmod(number, columns)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = image
    return sheet
