"""Each operation of a training step, with digests of what it reads and writes: which do not repeat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BITS: Mapping[int, torch.dtype] = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
FRESH = ("aten.empty", "aten.new_empty", "aten.detach", "aten._unsafe_view", "prim.")
"""Operations that write nothing."""
ATTENTION = re.compile(r"aten\._scaled_dot_product_\w*attention(_for_cpu)?$")
"""Its later outputs are partly memory that nobody has written: a state of dropout, without dropout."""


@dataclass(slots=True)
class Step:
    """One operation. launches: whether it computes anything. read, written: digests of its tensors, int64 [] each."""

    name: str
    launches: bool
    read: list[Tensor] = field(default_factory=list)
    written: list[Tensor] = field(default_factory=list)


class OperationTrace(TorchDispatchMode):
    """Notes every operation inside, the backward pass's included. digests: whether what they read and write, too."""

    def __init__(self, *, digests: bool = True) -> None:
        super().__init__()
        self.digests = digests
        self.steps: list[Step] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(func).rsplit(".", 1)[0]
        step = Step(name, launches=not func.is_view and not name.startswith(FRESH))
        if self.digests:
            step.read = [digest(tensor) for tensor in tensors_in((args, kwargs))]
        output = func(*args, **(kwargs or {}))
        if self.digests and not name.startswith(FRESH):
            written = tensors_in(output)
            step.written = [digest(tensor) for tensor in (written[:1] if ATTENTION.match(name) else written)]
        self.steps.append(step)
        return output

    def counts(self) -> Counter[str]:
        """Return how often each operation ran that computes something: on a GPU a kernel or more each."""
        return Counter(step.name for step in self.steps if step.launches)


def tensors_in(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def digest(tensor: Tensor) -> Tensor:
    """Return the sum of the bits as whole numbers, where the tensor is: int64 [], the same whatever is added first."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(BITS[flat.element_size()]).sum(dtype=torch.int64)


def unequal_operations(first: OperationTrace, second: OperationTrace) -> list[str]:
    """Return the operations that read the same bits in both runs and wrote others, with how often."""
    if [step.name for step in first.steps] != [step.name for step in second.steps]:
        return ["the two runs are not of the same operations"]
    numbers = [_numbers(trace) for trace in (first, second)]
    unequal: Counter[str] = Counter()
    for step, (read, wrote), (read_again, wrote_again) in zip(first.steps, *numbers, strict=True):
        unequal[step.name] += read == read_again and wrote != wrote_again
    return [f"{name} {count}" for name, count in unequal.items() if count]


def _numbers(trace: OperationTrace) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the digests of each operation, read off the device at once."""
    tensors = [value for step in trace.steps for value in (*step.read, *step.written)]
    values = iter(torch.stack([value.cpu() for value in tensors]).tolist() if tensors else [])
    for step in trace.steps:
        yield [next(values) for _ in step.read], [next(values) for _ in step.written]
