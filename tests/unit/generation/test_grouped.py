"""Blocks drawn together: how many, which, and that what is drawn is the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from woundgen.generation.grouped import MOST, GroupedDraw, group_at, images_at_once
from woundgen.generation.sampler import SamplerSettings, draw_block
from woundgen.models.base import BaseModel, encode_prompts

GIB = 1 << 30


@pytest.mark.parametrize(
    ("block", "block_bytes", "free_bytes", "expected"),
    [
        (16, GIB, 24 * GIB, 64),  # 12 blocks would fit, and MOST is reached
        (16, GIB, 6 * GIB, 48),  # half of what is free
        (16, GIB, GIB, 16),  # nothing more fits: the block, which is halved where memory runs out
        (128, GIB, 80 * GIB, 128),
        (24, GIB, 80 * GIB, 48),
        (16, 0, GIB, 64),
    ],
)
def test_images_at_once(block: int, block_bytes: int, free_bytes: int, expected: int) -> None:
    found = images_at_once(block, block_bytes=block_bytes, free_bytes=free_bytes)
    assert found == expected
    assert found % block == 0
    assert found <= max(MOST, block)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (0, range(0, 8)),
        (6, range(0, 8)),  # gone on with within a group: the same group
        (8, range(8, 16)),
        (16, range(16, 18)),  # 20 are wanted, and the group would go to 24
        (20, range(20, 22)),  # more than are wanted, since some were not accepted
        (32, range(32, 40)),  # four groups went before: at most a quarter in vain
        (40, range(40, 42)),  # the budget ends at 44
    ],
)
def test_which_blocks_go_together(first: int, expected: range) -> None:
    assert group_at(first, block=2, together=8, count=20, end=44) == expected


def test_groups_cover_each_block_once_and_are_drawn_once() -> None:
    drawn: list[range] = []

    def draw(indices: Sequence[int]) -> np.ndarray:
        drawn.append(range(indices[0], indices[-1] + 1))
        return np.array(indices, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)

    grouped = GroupedDraw(draw, block=2, together=8, count=20, end=44)
    for first in range(0, 44, 2):
        images = grouped(range(first, first + 2))
        assert images[:, 0, 0, 0].tolist() == [first, first + 1]
    assert sum(len(group) for group in drawn) == 44
    assert len(drawn) < 22
    assert not grouped.ready


def test_gone_on_with_it_draws_the_groups_it_would_have_drawn() -> None:
    def groups(start: int) -> set[range]:
        return {group_at(first, block=2, together=8, count=20, end=44) for first in range(start, 44, 2)}

    assert groups(12) <= groups(0)


@pytest.mark.parametrize("together", [2, 4, 8])
def test_images_are_the_same_to_one_grey_level(base: BaseModel, together: int) -> None:
    """The tolerance that the docs state, in single precision: kernels round otherwise at another batch size."""
    settings = SamplerSettings(sampler="dpmsolver++", steps=8, guidance_scale=3.0, seed=5, block=2, height=32, width=32)
    prompt, negative = encode_prompts(base, ["photograph of a wound", "blurry"]).split(1)

    def draw(indices: Sequence[int]) -> np.ndarray:
        return draw_block(base, settings, indices, prompt_states=prompt, negative_states=negative)

    grouped = GroupedDraw(draw, block=2, together=together, count=8, end=8)
    apart = np.concatenate([draw(range(first, first + 2)) for first in range(0, 8, 2)])
    joined = np.concatenate([grouped(range(first, first + 2)) for first in range(0, 8, 2)])
    assert apart.std() > 20, "no flat picture"
    assert np.abs(apart.astype(int) - joined).max() <= 1
