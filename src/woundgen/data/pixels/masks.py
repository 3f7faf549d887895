"""Masks of wounds in prepared squares, from mask files or boxes, and their weights in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from woundgen.data.files.images import decode_image, read_file
from woundgen.data.layouts.row_errors import raise_together
from woundgen.data.pixels.crop import square_for
from woundgen.errors import UserError
from woundgen.records import Box, Photo

Masks = NDArray[np.float32]


def wound_masks(
    photos: Sequence[Photo], *, resolution: int, margin: float, roots: Sequence[Path], folder: Path | None = None
) -> Masks:
    """[N, R, R], how much of each pixel is wound, 0..1, framed as `prepare` frames.

    folder: of masks, named as the photographs are below roots[0], and not black where the wound is; without it the
    wound is its box, and all of a photograph without a box. Raises one UserError for all masks that cannot be used.
    """
    masks = np.ones((len(photos), resolution, resolution), np.float32)
    problems = []
    for row, photo in enumerate(photos):
        if folder is None and photo.box is None:
            continue
        try:
            picture = decode_image(read_file(Path(photo.path), roots=roots), name=photo.path)
            square = square_for(picture, photo.box, margin=margin)
            if folder is not None:
                wound = read_mask(mask_file(photo, root=roots[0], folder=folder), folder=folder, size=picture.size)
                masks[row] = _framed(wound, square, resolution)
            elif photo.box is not None:
                masks[row] = _box_in(square, photo.box, resolution)
        except UserError as error:
            problems.append(str(error))
    raise_together(problems, heading=f"masks in {folder}", fix="Give each photograph its mask, or leave masks out.")
    return masks


def mask_file(photo: Photo, *, root: Path, folder: Path) -> Path:
    """The file in `folder` that is named as the photograph is below `root`: as a PNG, or with the same suffix."""
    path = Path(photo.path)
    name = path.relative_to(root if path.is_relative_to(root) else root.resolve())
    png = folder / name.with_suffix(".png")
    return png if png.exists() else folder / name


def read_mask(path: Path, *, folder: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """[H, W], True where brighter than half of the file's brightest: of 0 and 1 as well as of 0 and 255.

    size: (width, height) of the photograph. UserError where the file cannot be read or has another size.
    """
    image = decode_image(read_file(path, roots=[folder]), name=str(path))
    if image.size != size:
        raise UserError(f"{path} has {image.width}x{image.height} pixels, its photograph {size[0]}x{size[1]}.")
    brightness = np.asarray(image.convert("L"), np.int32)
    wound: NDArray[np.bool_] = 2 * brightness > brightness.max()
    return wound


def _framed(wound: NDArray[np.bool_], square: Box, resolution: int) -> Masks:
    """[R, R], the share of each prepared pixel that is wound."""
    whole = Image.fromarray(wound.astype(np.float32))
    part = whole.crop((square.x_min, square.y_min, square.x_max, square.y_max))
    return np.array(part.resize((resolution, resolution), Image.Resampling.BOX), np.float32)


def _box_in(square: Box, box: Box, resolution: int) -> Masks:
    scale = resolution / (square.x_max - square.x_min)
    across = _covered(box.x_min - square.x_min, box.x_max - square.x_min, scale, resolution)
    down = _covered(box.y_min - square.y_min, box.y_max - square.y_min, scale, resolution)
    return down[:, None] * across


def _covered(start: int, end: int, scale: float, resolution: int) -> Masks:
    """How much of each pixel of a side lies between start and end, 0..1."""
    edges = np.arange(resolution + 1)
    inside = np.clip(edges, start * scale, end * scale)
    return np.diff(inside).astype(np.float32)


def region_weights(masks: Masks, *, weight: float, side: int) -> Masks:
    """[..., R, R] masks -> [..., side, side] of mean 1: `weight` inside against 1 outside, averaged over each cell."""
    *leading, resolution, _ = masks.shape
    cell = resolution // side
    assert cell * side == resolution, "whole cells"
    cells = masks.reshape(*leading, side, cell, side, cell).mean((-3, -1))
    weights = 1 + (weight - 1) * cells
    return weights / weights.mean((-2, -1), keepdims=True)
