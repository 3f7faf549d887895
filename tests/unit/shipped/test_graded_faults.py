"""Graded faults: nothing at strength 0, more the stronger, and labels that say what was done."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.phantoms import draw_phantoms
from woundgen.shipped.graded_faults import GRADED_FAULTS, apply_fault, spoil_at_random

IMAGES = draw_phantoms(range(3), seed=4).images


@pytest.mark.parametrize("name", list(GRADED_FAULTS))
def test_a_fault_grows_with_its_strength(name: str) -> None:
    changes = [
        float(np.abs(apply_fault(IMAGES, name, strength).astype(float) - IMAGES).mean())
        for strength in (0.0, 0.1, 0.4, 1.0)
    ]
    assert changes[0] == 0
    assert changes == sorted(changes)
    assert changes[3] > changes[1] > 0


def test_a_full_mosaic_has_squares_of_one_colour() -> None:
    squares = apply_fault(IMAGES, "mosaic of 4 pixels", 1.0).reshape(3, 32, 4, 32, 4, 3)
    assert (squares == squares[:, :, :1, :, :1]).all()
    means = IMAGES.reshape(3, 32, 4, 32, 4, 3).mean((2, 4))
    assert np.abs(squares[:, :, 0, :, 0] - means).max() <= 0.5 + 1e-4


def test_the_labels_are_what_was_done() -> None:
    images = np.concatenate([IMAGES] * 40)
    spoiled, strengths = spoil_at_random(images, share=0.5, rng=np.random.default_rng(0))
    touched = (spoiled != images).any(axis=(1, 2, 3))
    assert touched[strengths.max(1) > 0.1].all()
    assert not touched[strengths.max(1) == 0].any()
    assert 0.35 < (strengths.max(1) > 0).mean() < 0.65
    assert (np.count_nonzero(strengths, axis=1) <= 2).all()
