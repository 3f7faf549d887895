"""Date stamps are found where there is one, nowhere else, and no crop shows them unless the wound lies there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from woundgen.data.pixels.crop import crop_to_box, overlap, square_for
from woundgen.data.pixels.crop import find_stamp as find_stamp_of
from woundgen.data.pixels.padding import content_box
from woundgen.phantoms import draw_phantoms
from woundgen.records import Box

PLACE = (395, 322)  # as compact cameras put it, in 512 x 384


def photograph(seed: int, *, size: tuple[int, int] = (512, 384)) -> Image.Image:
    """Smooth skin-like scenes with a camera's noise."""
    rng = np.random.default_rng(seed)
    coarse = np.clip(rng.normal((175, 150, 135), 12, (6, 8, 3)), 0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), float)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8))


def find_stamp(pixels: np.ndarray) -> Box | None:
    return find_stamp_of(pixels, content_box(pixels))


def stamped(seed: int, *, place: tuple[int, int] = PLACE, scale: int = 1) -> np.ndarray:
    image = photograph(seed, size=(512 * scale, 384 * scale))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=15 * scale)
    at = (place[0] * scale, place[1] * scale)
    draw.text(at, "10/05/2017", fill=(225, 150, 30), font=font, stroke_width=scale, stroke_fill=(70, 45, 10))
    return np.asarray(image)


def text_box(place: tuple[int, int] = PLACE) -> Box:
    left, top, right, bottom = ImageFont.load_default(size=15).getbbox("10/05/2017")
    return Box(*(int(v) for v in (place[0] + left, place[1] + top, place[0] + right, place[1] + bottom)))


@pytest.mark.parametrize("place", [PLACE, (395, 15), (20, 340)])
@pytest.mark.parametrize("scale", [1, 3])
def test_found_at_either_edge_and_at_any_size(place: tuple[int, int], scale: int) -> None:
    for seed in range(3):
        found = find_stamp(stamped(seed, place=place, scale=scale))
        assert found is not None
        text = text_box(place)
        assert abs(found.y_min + found.y_max - scale * (text.y_min + text.y_max)) / 2 < 8 * scale
        assert overlap(found, Box(*(scale * v for v in (text.x_min, text.y_min, text.x_max, text.y_max))))


def test_none_where_there_is_none() -> None:
    assert not [seed for seed in range(20) if find_stamp(np.asarray(photograph(seed))) is not None]
    drawn = draw_phantoms(range(60), seed=3, phases=("I", "P", "R"), size=128, views_per_patient=1)
    assert not [row for row, image in enumerate(drawn.images) if find_stamp(image) is not None]


def test_no_crop_shows_it() -> None:
    """Without a box, with a wound above it, with one beside it in its rows, and in black padding."""
    pixels = stamped(0)
    for box in (None, Box(380, 240, 460, 310), Box(250, 290, 370, 380)):
        square = square_for(pixels, box, margin=0.25)
        assert not overlap(square, text_box())
        assert box is None or overlap(square, box)
    padded = np.pad(pixels, ((64, 64), (0, 0), (0, 0)))
    square = square_for(padded, None, margin=0)
    assert not overlap(square, Box(*(v + (64 if i % 2 else 0) for i, v in enumerate(vars_of(text_box())))))
    assert content_box(crop_to_box(padded, None, margin=0)) == Box(
        0, 0, square.x_max - square.x_min, square.y_max - square.y_min
    )


def vars_of(box: Box) -> tuple[int, int, int, int]:
    return box.x_min, box.y_min, box.x_max, box.y_max


def test_a_wound_under_the_stamp_stays_whole() -> None:
    box = Box(380, 300, 500, 375)
    square = square_for(stamped(0), box, margin=0)
    assert (square.x_min, square.x_max) == (380, 500)
    assert square.y_min <= box.y_min
    assert square.y_max >= box.y_max
