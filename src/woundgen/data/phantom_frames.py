"""Phantoms framed as photographs are prepared: whole, or cropped to the wound's box with a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from woundgen.data.pixels.crop import corners, square_for
from woundgen.phantoms import PHASES, draw_phantoms
from woundgen.records import Box

RENDERED_SIDE = 192
"""Pixels at which a close-up is rendered before it is cropped, so that its detail is not enlarged."""


@dataclass(frozen=True, slots=True)
class FramedPhantoms:
    """images: uint8 [N, S, S, 3]; phases: one of PHASES each; close_up: bool [N]; centres: float [N, 2], of the wound's
    box in the frame, 0..1 across and down; parameters: float64 [N] for each of the renderer's."""

    images: np.ndarray
    phases: tuple[str, ...]
    close_up: np.ndarray
    centres: np.ndarray
    parameters: dict[str, np.ndarray]


def frame_phantoms(
    indices: Sequence[int],
    *,
    seed: int,
    margins: Sequence[float | None],
    phases: Sequence[str] = PHASES,
    size: int = 128,
) -> FramedPhantoms:
    """Render the phantoms of `indices` and frame each by its margin; None shows the whole frame.

    A close-up is the square that `data/frame.py` cuts around the box from a render of RENDERED_SIDE pixels, resized
    (Lanczos) to `size`, as `data/prepare.py` does with photographs. A phantom whose wound lies outside the frame is
    shown whole. Each image depends on (seed, index, phases, its margin, size) alone.
    """
    assert len(indices) == len(margins), "one margin a phantom"
    assert size <= RENDERED_SIDE, "a close-up would be enlarged"
    rows: list[tuple[np.ndarray, str, bool, tuple[float, float], dict[str, float]]] = []
    for index, margin in zip(indices, margins, strict=True):
        side = size if margin is None else RENDERED_SIDE
        drawn = draw_phantoms([index], seed=seed, phases=phases, size=side)
        image, box = drawn.images[0], Box(*drawn.boxes[0].tolist())
        frame, close_up = Box(0, 0, side, side), margin is not None and box.x_max > box.x_min
        if close_up:
            assert margin is not None
            frame = square_for(image, box, margin=margin)
        if side != size:
            cut = Image.fromarray(image).crop(corners(frame))
            image = np.asarray(cut.resize((size, size), Image.Resampling.LANCZOS))
        rows.append(
            (image, drawn.phases[0], close_up, _centre(box, frame), {k: v[0] for k, v in drawn.parameters.items()})
        )
    return FramedPhantoms(
        images=np.stack([row[0] for row in rows]),
        phases=tuple(row[1] for row in rows),
        close_up=np.array([row[2] for row in rows]),
        centres=np.array([row[3] for row in rows]),
        parameters={name: np.array([row[4][name] for row in rows]) for name in rows[0][4]},
    )


def _centre(box: Box, frame: Box) -> tuple[float, float]:
    """The middle of the box in the frame, 0..1 across and down; the frame's own middle where there is no wound."""
    if box.x_max <= box.x_min:
        return 0.5, 0.5
    side = frame.x_max - frame.x_min
    return (
        ((box.x_min + box.x_max) / 2 - frame.x_min) / side,
        ((box.y_min + box.y_max) / 2 - frame.y_min) / side,
    )
