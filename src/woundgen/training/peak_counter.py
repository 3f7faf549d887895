"""Count the bytes that operations hold at their peak, on any device and on fake tensors, which have none."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ALIGNMENT = 512
"""Bytes that torch's CUDA allocator rounds each storage up to."""


class PeakCounter(TorchDispatchMode):
    """Counts the bytes of storages that operations make inside, while they live. peak: the most at any time."""

    def __init__(self, *, alignment: int = ALIGNMENT) -> None:
        super().__init__()
        self.alignment = alignment
        self.live = self.peak = 0
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
        size = -(-storage.nbytes() // self.alignment) * self.alignment

        def forget(reference: object) -> None:
            self.live -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, forget)
        self.live += size
        self.peak = max(self.peak, self.live)


def _storages(tree: Any) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
