"""The right reference is among those verified, and pairs of one scene are told by themselves."""

import cv2
import numpy as np
import pytest

from woundgen.copies.candidates import count_votes
from woundgen.copies.ceiling import SAME_SCENE
from woundgen.copies.keypoints import detect_keypoints
from woundgen.copies.layout import HIGHEST
from woundgen.copies.scene import describe_scene
from woundgen.copies.search import ReferenceScenes, match_images, match_references, prepare_scenes
from woundgen.phantoms import draw_phantoms

PHANTOMS = draw_phantoms(range(100, 130), seed=3).images


@pytest.fixture(scope="module")
def scenes() -> ReferenceScenes:
    return prepare_scenes([describe_scene(image) for image in PHANTOMS])


def test_a_turned_copy_gets_most_votes_of_its_original(scenes: ReferenceScenes):
    for row in (0, 11, 29):
        votes = count_votes(detect_keypoints(np.rot90(PHANTOMS[row])), scenes.index)
        assert votes.argmax() == row


def test_images_are_matched_with_their_originals_and_an_empty_one_with_none(scenes: ReferenceScenes):
    noise = np.random.default_rng(0).normal(0, 10, PHANTOMS[5].shape)
    noisy = np.clip(PHANTOMS[5] + noise, 0, 255).astype(np.uint8)
    images = [noisy, PHANTOMS[17][::-1], np.full_like(PHANTOMS[0], 50)]
    found = match_images([describe_scene(image) for image in images], scenes)
    assert found.nearest[:2].tolist() == [5, 17]
    assert (found.places[:2] >= SAME_SCENE).all()
    assert found.places[2] == 0


def test_references_without_keypoints_are_never_matched():
    flat = np.full_like(PHANTOMS[0], 50)
    found = match_images(
        [describe_scene(PHANTOMS[1])], prepare_scenes([describe_scene(one) for one in (flat, PHANTOMS[1])])
    )
    assert found.nearest.tolist() == [1]


def test_one_scene_twice_is_a_pair_and_does_not_count_as_chance():
    """Photograph 3 came back turned as photograph 10, of another group; 4 and 11 are of one group."""
    pictures = [*PHANTOMS[:10], np.rot90(PHANTOMS[3]), PHANTOMS[4][::-1]]
    codes = np.array([*range(10), 10, 4])
    shared = match_references(prepare_scenes([describe_scene(one) for one in pictures]), codes)
    assert np.argwhere(np.triu(shared.same)).tolist() == [[3, 10]]
    assert shared.pairs == 1
    assert shared.matches.places.max() < SAME_SCENE
    assert shared.matches.layout.max() < 0.95  # of photograph 3 and the turned one neither


def test_pictures_of_one_group_and_of_one_scene_do_not_count_as_chance_in_layout():
    """Photograph 3 came back darker, of another group, and 4 of its own group."""
    darker = [(PHANTOMS[row] * 0.8).astype(np.uint8) for row in (3, 4)]
    codes = np.array([*range(10), 10, 4])
    shared = match_references(prepare_scenes([describe_scene(one) for one in (*PHANTOMS[:10], *darker)]), codes)
    assert shared.matches.layout.max() < 0.7


def test_what_was_drawn_anew_over_a_photograph_is_known_by_its_layout(scenes: ReferenceScenes):
    """Blurred until no keypoint is left of the photograph, with new grain."""
    smooth = np.stack([cv2.GaussianBlur(PHANTOMS[row], (0, 0), 2.5) for row in (5, 17)])
    drawn = smooth + np.random.default_rng(1).normal(0, 8, smooth.shape)
    drawn[1] = drawn[1][:, ::-1]
    found = match_images([describe_scene(image) for image in np.clip(drawn, 0, 255).astype(np.uint8)], scenes)
    assert found.nearest_layout.tolist() == [5, 17]
    assert (found.layout > HIGHEST).all()


def test_a_chain_does_not_join_its_ends():
    """A shares its left half with B, and B its right half with C: A and C show nothing in common."""
    a, b, c = PHANTOMS[0].copy(), PHANTOMS[1].copy(), PHANTOMS[2].copy()
    b[:, :64] = a[:, :64]
    c[:, 64:] = b[:, 64:]
    shared = match_references(prepare_scenes([describe_scene(one) for one in (a, b, c)]), np.arange(3))
    assert shared.same.tolist() == [[False, True, False], [True, False, True], [False, True, False]]
