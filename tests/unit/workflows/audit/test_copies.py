"""Copies are counted against few photographs as well as many, and not at all where no ceiling can be had."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.copies.scene import describe_scene
from woundgen.events import complete
from woundgen.phantoms import draw_phantoms
from woundgen.screening.descriptors import Descriptors
from woundgen.workflows.audit.copies import CopyCount, count_copies, prepare_search

PHANTOMS = draw_phantoms(range(200, 216), seed=3).images


def describe(images: np.ndarray) -> Descriptors:
    nothing = np.zeros((len(images), 1))
    scenes = tuple(describe_scene(image) for image in images)
    return Descriptors(images.astype(np.float32) / 255, nothing, nothing, scenes)


def count(photographs: np.ndarray, groups: list[str] | None = None) -> CopyCount:
    """Of three images: photograph 2 turned, photograph 0 mirrored, and one that is of another scene."""
    images = np.stack([np.rot90(photographs[2]), photographs[0][:, ::-1], PHANTOMS[15]])
    names = groups or [str(row) for row in range(len(photographs))]
    search = prepare_search(describe(photographs), names, level=0.99)
    return complete(count_copies(search, describe(images).scenes))


@pytest.mark.parametrize(
    ("photographs", "groups"), [(PHANTOMS[:4], None), (PHANTOMS[:12], ["A"] * 9 + ["B", "C", "D"])]
)
def test_too_few_for_a_ceiling_are_searched_all_the_same(photographs: np.ndarray, groups: list[str] | None) -> None:
    found = count(photographs, groups)
    assert found.count == 2
    assert "12 places or more" in found.rule
    assert "too few for a ceiling" in found.rule
    assert 0.67 < found.bound < 1


def test_many_give_their_own_ceiling() -> None:
    found = count(PHANTOMS[:14])
    assert found.count == 2
    assert found.rule.startswith("copy ceiling: a copy agrees")


def test_photographs_that_share_a_panel_support_no_count() -> None:
    shared = PHANTOMS[:12].copy()
    shared[:, :, :64] = PHANTOMS[14][:, :64]
    found = count(shared)
    assert found.count is None
    assert found.rule.startswith("no copy ceiling")
