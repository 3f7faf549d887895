"""Copies of photographs as a memorising model brings them back: what the copy ceiling is tried on.

A rule that finds no copy because it could not find one says nothing. So copies are planted, of every kind that
training could have taught, singly and in pairs, and counted.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import affine_transform

from woundgen.data.pixels.augment import variation

Images = npt.NDArray[np.uint8]
Change = Callable[[Images, int], Images]

SHIFT = 2  # pixels, down and to the right
ZOOM = 1.05
JPEG_QUALITY = 30
STREAM = 11


def mirrored(image: Images, row: int) -> Images:
    return image[:, ::-1]


def shifted(image: Images, row: int) -> Images:
    return np.pad(image, ((SHIFT, 0), (SHIFT, 0), (0, 0)), mode="edge")[:-SHIFT, :-SHIFT]


def zoomed(image: Images, row: int) -> Images:
    """Enlarged about the middle, linear interpolation."""
    middle = (np.array(image.shape[:2]) - 1) / 2
    matrix = np.eye(2) / ZOOM
    channels = [
        affine_transform(channel.astype(np.float32), matrix, middle - matrix @ middle, order=1, mode="mirror")
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def augmented(image: Images, row: int) -> Images:
    """As training varies it: turned, scaled, brighter or darker (data.augment); not mirrored."""
    return variation(image, 2, np.random.default_rng([STREAM, row]))


def compressed(image: Images, row: int) -> Images:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file))


# In the order in which two of them are applied: a file is compressed last.
CHANGES: dict[str, Change] = {
    "mirror": mirrored,
    f"shift of {SHIFT}": shifted,
    f"zoom {ZOOM}": zoomed,
    "training augmentation": augmented,
    f"JPEG {JPEG_QUALITY}": compressed,
}


def kinds() -> dict[str, tuple[Change, ...]]:
    """Every kind of copy by name: none, one, or two of CHANGES, 16 in all."""
    single: dict[str, tuple[Change, ...]] = {name: (change,) for name, change in CHANGES.items()}
    pairs = {f"{one}, {other}": (CHANGES[one], CHANGES[other]) for one, other in combinations(CHANGES, 2)}
    return {"identity": (), **single, **pairs}


def plant(photographs: Images, changes: tuple[Change, ...]) -> Images:
    """uint8 [N, S, S, 3] -> the same shape: row i a copy of photograph i."""
    return np.stack([_copy(image, row, changes) for row, image in enumerate(photographs)])


def _copy(image: Images, row: int, changes: tuple[Change, ...]) -> Images:
    for change in changes:
        image = change(image, row)
    return image
