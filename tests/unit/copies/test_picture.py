"""The picture and the words of a match."""

import numpy as np
import pytest

from woundgen.copies.keypoints import detect_keypoints
from woundgen.copies.picture import SIDE, describe_match, draw_match, mark_overlap
from woundgen.copies.verify import verify_copy
from woundgen.phantoms import draw_phantoms

PHANTOMS = draw_phantoms(range(60, 62), seed=3).images


def test_a_turned_half_is_told_and_drawn():
    image = np.rot90(PHANTOMS[0]).copy()
    image[:, 64:] = PHANTOMS[1][:, 64:]
    match = verify_copy(detect_keypoints(image), detect_keypoints(PHANTOMS[0]))
    told = describe_match(match)
    assert told["rotation_degrees"] == pytest.approx(90, abs=3)
    assert told["scale"] == pytest.approx(1, abs=0.03)
    assert told["mirrored"] is False
    assert 0.1 < told["image_covered"] < 0.62
    sheet = draw_match(image, PHANTOMS[0], match)
    assert sheet.shape == (SIDE, 2 * SIDE + 8, 3)
    assert (sheet == (40, 220, 90)).all(axis=-1).any(), "lines join the places"


def test_the_overlap_is_where_the_places_are():
    mask = mark_overlap(np.array([[0.25, 0.75]]))
    down, across = np.nonzero(mask)
    assert across.mean() / SIDE == pytest.approx(0.25, abs=0.01)
    assert down.mean() / SIDE == pytest.approx(0.75, abs=0.01)


def test_no_match_is_drawn_dark_and_without_lines():
    flat = np.full((64, 64, 3), 100, np.uint8)
    match = verify_copy(detect_keypoints(flat), detect_keypoints(PHANTOMS[0]))
    assert describe_match(match)["matched_places"] == 0
    assert draw_match(flat, PHANTOMS[0], match)[:, :SIDE].max() == 45
