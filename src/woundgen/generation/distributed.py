"""A set drawn by several processes: blocks dealt in rounds, every block by one process, the set written by the first.

Which process draws a block changes nothing of it: each has the thread count that a process alone would have, and
blocks are whole. So the set is that of one process, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from woundgen.generation.draw_until import Draw
from woundgen.runtime.ranks import Ranks

STOP, LISTENING = -1, -2


@dataclass(slots=True)
class SharedDraw:
    """Called by the first process as any other Draw; the others `serve` until the first is `finished`.

    draw: uint8 [block, size, size, 3] of a block's indices. end: no block begins there or beyond.
    device: where tensors that the processes exchange have to lie.
    """

    draw: Draw
    ranks: Ranks
    block: int
    size: int
    end: int
    device: torch.device
    ready: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def __call__(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        first = indices[0]
        if first not in self.ready:
            self.ranks.all_reduce_max([first], self.device)  # the others hear where the round begins
            self.ready = self._round(first)
        return self.ready.pop(first)

    def serve(self) -> None:
        """Draw this process's block of each round, until the first process is finished."""
        while (first := self.ranks.all_reduce_max([LISTENING], self.device)[0]) != STOP:
            self._round(first)

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Let the others go once all is drawn. After an error they go with the connection."""
        yield
        self.ranks.all_reduce_max([STOP], self.device)

    def _round(self, first: int) -> dict[int, NDArray[np.uint8]]:
        """A block for each process, known to all."""
        starts = range(first, self.end, self.block)[: self.ranks.size]
        drawn = torch.zeros(len(starts), self.block, self.size, self.size, 3, dtype=torch.uint8, device=self.device)
        for place in self.ranks.shard(len(starts)):
            block = range(starts[place], starts[place] + self.block)
            drawn[place] = torch.from_numpy(self.draw(block)).to(self.device)
        self.ranks.all_reduce_sum(drawn)
        return dict(zip(starts, drawn.cpu().numpy(), strict=True))
