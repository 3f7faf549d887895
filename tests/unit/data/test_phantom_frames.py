"""Close-ups are cut as photographs are prepared; whole frames are the renderer's own."""

from __future__ import annotations

import numpy as np
from PIL import Image

from woundgen.data.phantom_frames import RENDERED_SIDE, frame_phantoms
from woundgen.data.pixels.crop import crop_to_box
from woundgen.phantoms import View, captions, draw_phantoms
from woundgen.records import Box


def test_a_whole_frame_is_what_the_renderer_draws() -> None:
    framed = frame_phantoms([5, 6], seed=2, margins=[None, None])
    np.testing.assert_array_equal(framed.images, draw_phantoms([5, 6], seed=2).images)
    assert not framed.close_up.any()


def test_a_close_up_is_the_crop_that_photographs_get() -> None:
    framed = frame_phantoms([5], seed=2, margins=[0.25])
    drawn = draw_phantoms([5], seed=2, size=RENDERED_SIDE)
    crop = crop_to_box(drawn.images[0], Box(*drawn.boxes[0].tolist()), margin=0.25)
    expected = np.asarray(Image.fromarray(crop).resize((128, 128), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(framed.images[0], expected)
    assert framed.close_up[0]
    assert np.abs(framed.centres[0] - 0.5).max() < 0.25


def test_each_phantom_depends_on_its_own_index_alone() -> None:
    together = frame_phantoms([3, 4, 5], seed=2, margins=[0.2, None, 0.4])
    alone = frame_phantoms([5], seed=2, margins=[0.4])
    np.testing.assert_array_equal(together.images[2], alone.images[0])


def test_captions_name_framing_and_side_only_where_a_view_is_given() -> None:
    parameters = draw_phantoms(range(1), seed=2).parameters
    repeated = {name: np.repeat(values, 60) for name, values in parameters.items()}
    view = View(close_up=True, centre=(0.2, 0.5))
    named = captions(repeated, np.random.default_rng(0), [view] * 60)
    assert sum("close-up" in text for text in named) in range(15, 40)
    assert sum("wound on the left" in text for text in named) in range(15, 40)
    assert not any("whole limb" in text or "on the right" in text for text in named)
    assert not any("close-up" in text for text in captions(repeated, np.random.default_rng(0)))
