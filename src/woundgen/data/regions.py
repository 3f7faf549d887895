"""Where the wound lies in a prepared square, and how much each place of it counts in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from woundgen.data.images import decode_photograph, read_file
from woundgen.data.prepare import square_for
from woundgen.records import Photo

Masks = NDArray[np.float32]


def wound_masks(photos: Sequence[Photo], *, resolution: int, margin: float, roots: Sequence[Path]) -> Masks:
    """[N, R, R], 1 inside the wound's box and 0 outside, framed as `prepare` frames; all 1 without a box."""
    masks = np.ones((len(photos), resolution, resolution), np.float32)
    for row, photo in enumerate(photos):
        if photo.box is None:
            continue
        pixels = decode_photograph(read_file(Path(photo.path), roots=roots), name=photo.path)
        square = square_for(pixels, photo.box, margin=margin)
        scale = resolution / (square.x_max - square.x_min)
        across = _covered(photo.box.x_min - square.x_min, photo.box.x_max - square.x_min, scale, resolution)
        down = _covered(photo.box.y_min - square.y_min, photo.box.y_max - square.y_min, scale, resolution)
        masks[row] = down[:, None] * across
    return masks


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
