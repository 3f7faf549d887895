"""Copies of phantoms score far above strangers, and the explanation says how they were changed."""

import numpy as np
import pytest
from PIL import Image

from woundgen.copies.ceiling import SAME_SCENE
from woundgen.copies.keypoints import detect_keypoints
from woundgen.copies.verify import CopyMatch, match_descriptors, verify_copy
from woundgen.phantoms import draw_phantoms

PHANTOMS = draw_phantoms(range(40, 46), seed=3).images
KNOWN = [detect_keypoints(image) for image in PHANTOMS]


def match(image: np.ndarray, row: int = 0) -> CopyMatch:
    return verify_copy(detect_keypoints(image), KNOWN[row])


def enlarged(image: np.ndarray, scale: float) -> np.ndarray:
    side = image.shape[0]
    kept = round(side / scale)
    first = (side - kept) // 2
    part = Image.fromarray(np.ascontiguousarray(image[first : first + kept, first : first + kept]))
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("row", range(len(PHANTOMS)))
def test_strangers_agree_in_few_places(row: int):
    assert verify_copy(KNOWN[row], KNOWN[(row + 1) % len(KNOWN)]).score < SAME_SCENE


def test_a_quarter_turn_is_found_and_told():
    found = match(np.rot90(PHANTOMS[0]))
    assert found.score > 3 * SAME_SCENE
    assert not found.mirrored
    assert found.alignment.rotation == pytest.approx(90, abs=2)
    assert found.alignment.scale == pytest.approx(1, abs=0.02)


def test_a_mirrored_zoom_is_found_and_told():
    found = match(enlarged(PHANTOMS[0], 1.3)[:, ::-1])
    assert found.score > 2 * SAME_SCENE
    assert found.mirrored
    assert found.alignment.scale == pytest.approx(1 / 1.3, abs=0.03)


def test_places_say_which_part_came_back():
    """The left half of a photograph beside a stranger's right half: all agreeing places lie left."""
    half = PHANTOMS[0].copy()
    half[:, 64:] = PHANTOMS[1][:, 64:]
    found = match(half)
    assert found.score > SAME_SCENE
    assert np.mean(found.image_places[:, 0] < 0.52) > 0.95
    assert np.mean(found.reference_places[:, 0] < 0.52) > 0.95


def test_places_of_a_mirrored_copy_are_those_of_the_image_as_given():
    half = PHANTOMS[0].copy()
    half[:, 64:] = PHANTOMS[1][:, 64:]
    found = match(half[:, ::-1])
    assert np.mean(found.image_places[:, 0] > 0.48) > 0.95
    assert np.mean(found.reference_places[:, 0] < 0.52) > 0.95


def test_an_image_without_keypoints_matches_nothing():
    found = match(np.full((128, 128, 3), 128, np.uint8))
    assert (found.score, found.alignment, len(found.image_places)) == (0, None, 0)


def test_the_ratio_test_drops_ambiguous_descriptors():
    axes = np.eye(128, dtype=np.float32)
    two_alike = (axes[1] + 0.05 * axes[2], axes[1] - 0.05 * axes[2])
    reference = np.stack((axes[0], *two_alike)) / np.sqrt([[1.0], [1.0025], [1.0025]]).astype(np.float32)
    rows, columns = match_descriptors(axes[:2], reference)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])
