"""The blocks that torch's CUDA allocator would hand out: what a step holds is the sum of blocks, not of tensors.

A request takes the smallest free block that it fits, and what is left of a block above 1 MiB stays with it unless that
is more than 1 MiB. A pass that keeps hundreds of activations of a few MiB so holds more than their sum. As torch
documents it: https://docs.pytorch.org/docs/stable/notes/cuda.html#memory-management, c10/cuda/CUDACachingAllocator.cpp.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

MIB = 1 << 20
ALIGNMENT = 512
"""Bytes that each request is rounded up to."""
SMALL = MIB
"""Largest request that is served from small segments, whose blocks are split wherever ALIGNMENT bytes are left."""
SMALL_SEGMENT, LARGE_SEGMENT, LONE_SEGMENT, SEGMENT_STEP = 2 * MIB, 20 * MIB, 10 * MIB, 2 * MIB
"""Bytes asked of the driver for small requests, for larger ones, and from which size a request gets a segment."""


@dataclass(slots=True)
class MemoryBlock:
    """A piece of a segment. before, after: its neighbours' addresses, None at the segment's ends."""

    size: int
    is_small: bool
    before: int | None = None
    after: int | None = None
    is_free: bool = True


@dataclass(slots=True)
class CudaBlocks:
    """held: bytes of blocks in use, as torch.cuda.memory_allocated. reserved: of all segments. peak: the most held."""

    held: int = 0
    reserved: int = 0
    peak: int = 0
    _blocks: dict[int, MemoryBlock] = field(default_factory=dict)
    _free: dict[bool, list[tuple[int, int]]] = field(default_factory=lambda: {True: [], False: []})
    _end: int = 0

    def take(self, request: int) -> int:
        """Return the address of a block for `request` bytes."""
        size = max(1, -(-request // ALIGNMENT)) * ALIGNMENT
        is_small = size <= SMALL
        free = self._free[is_small]
        place = bisect_left(free, (size, 0))
        address = free.pop(place)[1] if place < len(free) else self._new_segment(size, is_small)
        block = self._blocks[address]
        block.is_free = False
        left = block.size - size
        if left >= ALIGNMENT if is_small else left > SMALL:
            self._split(address, block, size)
        self.held += block.size
        self.peak = max(self.peak, self.held)
        return address

    def give_back(self, address: int) -> None:
        """Free a block, and join it to free neighbours."""
        block = self._blocks[address]
        self.held -= block.size
        block.is_free = True
        if block.after is not None and self._blocks[block.after].is_free:
            self._forget(block.after)
            self._join(address, block.after)
        if block.before is not None and self._blocks[block.before].is_free:
            self._forget(block.before)
            first = block.before
            self._join(first, address)
            address = first
        insort(self._free[block.is_small], (self._blocks[address].size, address))

    def _new_segment(self, size: int, is_small: bool) -> int:
        rounded = -(-size // SEGMENT_STEP) * SEGMENT_STEP
        whole = SMALL_SEGMENT if is_small else LARGE_SEGMENT if size < LONE_SEGMENT else rounded
        address = self._end
        self._blocks[address] = MemoryBlock(whole, is_small)
        self._end += whole
        self.reserved += whole
        return address

    def _split(self, address: int, block: MemoryBlock, size: int) -> None:
        rest = address + size
        self._blocks[rest] = MemoryBlock(block.size - size, block.is_small, address, block.after)
        if block.after is not None:
            self._blocks[block.after].before = rest
        block.size, block.after = size, rest
        insort(self._free[block.is_small], (self._blocks[rest].size, rest))

    def _join(self, first: int, second: int) -> None:
        """Make a block of two neighbours."""
        gone = self._blocks.pop(second)
        self._blocks[first].size += gone.size
        self._blocks[first].after = gone.after
        if gone.after is not None:
            self._blocks[gone.after].before = first

    def _forget(self, address: int) -> None:
        """Take a free block off the list."""
        block = self._blocks[address]
        free = self._free[block.is_small]
        free.pop(bisect_left(free, (block.size, address)))
