"""Several blocks drawn at once, where a GPU has the memory: more images a second, the same images to rounding.

A block of the recipe stays what is screened, written and resumed. Which blocks are drawn together is a function of
their indices, so that a set that is gone on with draws the groups that it would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from woundgen.generation.draw_until import Draw

MOST = 64
"""Images at once at most."""
USABLE = 0.5
"""Share of the free memory: recordings of a guided and an unguided pass take as much again as the plain pass."""
SPARE = 4
"""Beyond `count` a group is begun where this many went before, so that at most a quarter is drawn in vain."""


def images_at_once(block: int, *, block_bytes: int, free_bytes: int) -> int:
    """Return the largest multiple of `block` that fits, at most MOST; `block` where that is larger or nothing fits.

    block_bytes: memory that drawing a block takes above what is held before.
    """
    fitting = int(USABLE * free_bytes // max(1, block_bytes))
    return block * max(1, min(fitting, MOST // block))


def group_at(first: int, *, block: int, together: int, count: int, end: int) -> range:
    """Return the indices that are drawn with the block at `first`: an aligned group of `together`, or that block alone.

    A group is drawn whole where all of it is needed even if every image is accepted, or where few would be in vain.
    count: images to accept. end: indices that may be drawn.
    """
    start = first // together * together
    stop = start + together
    if stop <= end and (stop <= count or start >= max(count, SPARE * together)):
        return range(start, stop)
    return range(first, first + block)


@dataclass(slots=True)
class GroupedDraw:
    """Called as any other Draw, block by block in rising order; draws the blocks of a group at its first."""

    draw: Draw
    block: int
    together: int
    count: int
    end: int
    ready: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __call__(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Return uint8 [block, H, W, 3] of a block."""
        first = indices[0]
        if first not in self.ready:
            group = group_at(first, block=self.block, together=self.together, count=self.count, end=self.end)
            images = self.draw(group)
            parts = range(0, len(group), self.block)
            self.ready = {group[part]: images[part : part + self.block] for part in parts}
        return self.ready.pop(first)
