"""Blocks as torch's CUDA allocator hands them out, on sequences that can be followed by hand."""

from __future__ import annotations

import random

from woundgen.training.cuda_blocks import MIB, CudaBlocks


def test_small_requests_share_a_segment_to_the_last_512_bytes() -> None:
    blocks = CudaBlocks()
    for request in (1, 512, 513, MIB):
        blocks.take(request)
    assert blocks.held == 512 + 512 + 1024 + MIB
    assert blocks.reserved == 2 * MIB


def test_sizes_of_segments() -> None:
    """20 MiB up to 10 MiB, then each its own in steps of 2 MiB, as the allocator's constants say."""
    for request, segment in ((MIB + 1, 20), (10 * MIB - 512, 20), (10 * MIB, 10), (11 * MIB, 12), (31 * MIB, 32)):
        blocks = CudaBlocks()
        blocks.take(request)
        assert blocks.reserved == segment * MIB


def test_what_is_left_of_a_large_block_stays_with_it_up_to_a_mebibyte() -> None:
    """A block of 3 MiB between others, taken again by 2 MiB (1 MiB is left: kept) and by 1.75 MiB (split)."""
    for request, held in ((2 * MIB, 3 * MIB), (7 * MIB // 4, 7 * MIB // 4)):
        blocks = CudaBlocks()
        first, _ = blocks.take(3 * MIB), blocks.take(16 * MIB)
        blocks.give_back(first)
        before = blocks.held
        blocks.take(request)
        assert blocks.held - before == held


def test_the_smallest_that_fits_is_taken() -> None:
    blocks = CudaBlocks()
    large, _, small, _ = (blocks.take(size * MIB) for size in (6, 2, 4, 2))
    blocks.give_back(large)
    blocks.give_back(small)
    assert blocks.take(4 * MIB) == small


def test_neighbours_are_joined_and_nothing_is_lost() -> None:
    """A thousand requests in any order: when all are given back one block a segment is left."""
    chance, blocks, live = random.Random(0), CudaBlocks(), []
    for _ in range(1000):
        if live and chance.random() < 0.5:
            blocks.give_back(live.pop(chance.randrange(len(live))))
        else:
            live.append(blocks.take(int(2 ** chance.uniform(0, 25))))
    assert blocks.held <= blocks.reserved
    assert blocks.peak >= blocks.held > 0
    for address in live:
        blocks.give_back(address)
    assert blocks.held == 0
    assert all(block.before is block.after is None for block in blocks._blocks.values())
    assert sum(block.size for block in blocks._blocks.values()) == blocks.reserved
    assert sum(len(free) for free in blocks._free.values()) == len(blocks._blocks)
