"""Count what operations hold at their peak on a GPU, on any device and on fake tensors, which hold nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from woundgen.training.cuda_blocks import CudaBlocks


class Memory(Protocol):
    """Hands out memory for storages. held: bytes now. peak: the most so far."""

    held: int
    peak: int

    def take(self, request: int) -> int:
        """Return a handle for `request` bytes."""

    def give_back(self, handle: int) -> None:
        """Free what a handle stands for."""


@dataclass(slots=True)
class ExactBytes:
    """The sum of the storages, without anybody's blocks."""

    held: int = 0
    peak: int = 0

    def take(self, request: int) -> int:
        """Return the number itself."""
        self.held += request
        self.peak = max(self.peak, self.held)
        return request

    def give_back(self, handle: int) -> None:
        """Subtract it."""
        self.held -= handle


class PeakCounter(TorchDispatchMode):
    """Places the storages that operations make inside in `memory`, while they live; None: in blocks as CUDA's."""

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__()
        self.memory: Memory = CudaBlocks() if memory is None else memory
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        given = {id(storage) for storage in _storages((args, kwargs))}
        for storage in _storages(output):
            if id(storage) not in given:
                self._add(storage)
        return output

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._known:
            return
        handle = self.memory.take(storage.nbytes())

        def forget(reference: object) -> None:
            self.memory.give_back(handle)
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, forget)


def _storages(tree: Any) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
