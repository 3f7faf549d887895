"""The catalogue of altered copies that the copy detector is measured on (benchmarks/copy_attacks.py)."""

from __future__ import annotations

import numpy as np
import pytest

from ...altered_copies import build_kinds

KINDS = build_kinds()
IMAGE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_alters_the_picture_and_always_alike(name: str) -> None:
    before = IMAGE.copy()
    _, change = KINDS[name]
    altered = change(IMAGE, OTHER, 3)
    assert altered.shape == IMAGE.shape
    assert altered.dtype == np.uint8
    assert np.array_equal(IMAGE, before), "the original stays"
    assert np.array_equal(altered, change(IMAGE, OTHER, 3))
    assert np.array_equal(altered, IMAGE) == (name == "identity")


def test_turns_and_mirrors_are_numpys() -> None:
    assert np.array_equal(KINDS["rotation 90"][1](IMAGE, OTHER, 0), np.rot90(IMAGE))
    assert np.array_equal(KINDS["mirror"][1](IMAGE, OTHER, 0), np.fliplr(IMAGE))
    assert np.array_equal(KINDS["flip top-bottom"][1](IMAGE, OTHER, 0), np.flipud(IMAGE))
