"""Blocks dealt to one, two and eight processes: the first hears the same images, and each block is drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import numpy as np
import pytest
import torch
from torch import Tensor

from woundgen.generation.distributed import SharedDraw

BLOCK, SIZE, END = 4, 2, 42


@dataclass
class Threads:
    """Stands in for Ranks, a thread each: sums and maxima of what all of them bring."""

    rank: int
    size: int
    barrier: Barrier
    brought: list[Tensor]

    def shard(self, things: int) -> range:
        return range(self.rank, things, self.size)

    def all_reduce_sum(self, tensor: Tensor) -> None:
        tensor.copy_(self._all(tensor).sum(dim=0))

    def all_reduce_max(self, numbers: Sequence[int], device: torch.device) -> list[int]:
        return self._all(torch.tensor(numbers)).amax(dim=0).tolist()

    def _all(self, tensor: Tensor) -> Tensor:
        self.brought[self.rank] = tensor.clone()
        self.barrier.wait(timeout=20)
        together = torch.stack(self.brought)
        self.barrier.wait(timeout=20)
        return together


def drawn_by(size: int) -> tuple[list[np.ndarray], list[int]]:
    """What the first of `size` gets for each block, and which blocks were drawn by anyone."""
    barrier, brought, begun = Barrier(size), [torch.empty(0)] * size, []

    def draw(indices: Sequence[int]) -> np.ndarray:
        begun.append(indices[0])
        return np.stack([np.full((SIZE, SIZE, 3), index, np.uint8) for index in indices])

    def one(rank: int) -> list[np.ndarray]:
        ranks = Threads(rank, size, barrier, brought)
        shared = SharedDraw(draw, ranks, block=BLOCK, size=SIZE, end=END, device=torch.device("cpu"))  # type: ignore[arg-type]
        if rank:
            shared.serve()
            return []
        with shared.finished():
            return [shared(range(first, first + BLOCK)) for first in range(0, END, BLOCK)]

    with ThreadPoolExecutor(size) as threads:
        first, *_ = threads.map(one, range(size))
    return first, sorted(begun)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_any_number_of_processes_draws_the_same_blocks_once(size: int) -> None:
    images, begun = drawn_by(size)
    assert begun == list(range(0, END, BLOCK))
    seen = np.concatenate(images)[:, 0, 0, 0]
    np.testing.assert_array_equal(seen, np.arange(len(seen)))
