"""Each operation of a training step with digests of what it reads and writes: which do not repeat, and which may not.

python benchmarks/operation_trace.py       # operations of a step on a CPU that torch calls nondeterministic on CUDA
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from gpu_training import BenchmarkRun, Shape
from harness import make_parser, read_options
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.published_architectures import UNETS
from woundgen.training.memory import run_fake_pass

BITS: Mapping[int, torch.dtype] = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
FRESH = ("aten.empty", "aten.new_empty", "aten.detach", "aten._unsafe_view", "prim.")
"""Operations that write nothing."""
ATTENTION = re.compile(r"aten\._scaled_dot_product_\w*attention(_for_cpu)?$")
"""Its later outputs are partly memory that nobody has written: a state of dropout, without dropout."""

DOCUMENTED: Mapping[str, tuple[str, str]] = {
    "aten.convolution": ("cuDNN may choose a kernel that adds by atomics", "chooses another"),
    "aten.convolution_backward": (
        "the same; cuDNN's CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 adds by atomics", "chooses another",
    ),
    "aten._scaled_dot_product_flash_attention_for_cpu_backward": (
        "on CUDA: FlashAttention in half precision, the memory-efficient kernel in fp32; both default to a "
        "nondeterministic algorithm", "leaves FlashAttention out; the other adds in order",
    ),
    "aten.embedding_dense_backward": ("rows that are met more than once", "sorts them first"),
    "aten.index_put": ("two writes to one place", "sorts them first"),
    "aten._index_put_impl_": ("two writes to one place", "sorts them first"),
    "aten.scatter_add": ("two additions to one place", "adds in order"),
    "aten.index_add": ("two additions to one place", "adds in order"),
    "aten.gather": ("its gradient is a scatter_add", "adds in order"),
    "aten.index_select": ("its gradient is an index_add", "adds in order"),
    "aten.cumsum": ("sums of blocks in any order", "raises an error"),
    "aten.upsample_bilinear2d_backward": ("adds by atomics", "raises an error"),
    "aten.upsample_bicubic2d_backward": ("adds by atomics", "raises an error"),
    "aten.grid_sampler_2d_backward": ("adds by atomics", "raises an error"),
    "aten.mm": ("cuBLAS, where its workspace is shared by streams", "sets CUBLAS_WORKSPACE_CONFIG"),
    "aten.addmm": ("as mm", "sets CUBLAS_WORKSPACE_CONFIG"),
    "aten.bmm": ("as mm", "sets CUBLAS_WORKSPACE_CONFIG"),
    "aten.baddbmm": ("as mm", "sets CUBLAS_WORKSPACE_CONFIG"),
}  # fmt: skip
"""Operations that may not repeat on CUDA, why, and what deterministic: true does about each. Of the documentation of
torch.use_deterministic_algorithms, torch's own warnings (attention), and the references of cuDNN and cuBLAS."""


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


def count_operations(run: BenchmarkRun) -> Iterator[tuple[str, Counter[str]]]:
    """Yield the operations of a micro-batch as they were, with the adapter in groups, and with norms in half, too."""
    lean, unet = run.lean, run.base.unet
    assert lean is not None
    assert lean.adapter is not None
    for way, grouped, half_norms in (
        ("layer by layer, norms in single precision", False, False),
        ("the adapter in groups", True, False),
        ("and norms in half precision", True, True),
    ):
        lean.adapter.enabled, lean.norms.enabled = grouped, half_norms
        trace = OperationTrace(digests=False)
        run_fake_pass(unet, run.pass_shape(), trace, dropout=run.dropout, half_norms=half_norms)
        yield way, trace.counts()
    lean.enable(False)


def main() -> None:
    parser = make_parser(__doc__, side=128, batch=16)
    parser.add_argument("--name", choices=UNETS, default="tiny")
    parser.add_argument("--dropout", type=float, default=0.0)
    options = read_options(parser)
    settings = {"mixed_precision": "bf16", "gradient_checkpointing": False, "lora_dropout": options.dropout}
    settings |= {"lora_rank": 4} if options.name == "tiny" else {}
    run = BenchmarkRun(Shape(options.name, options.side, options.batch, torch.device("cpu")), settings)
    print("| operations that compute something | in a micro-batch |\n| --- | --- |")
    for way, counts in count_operations(run):
        print(f"| {way} | {sum(counts.values())} |")
    print("\n| operation | there | why it may not repeat on CUDA | deterministic: true |\n| --- | --- | --- | --- |")
    for name, count in counts.most_common():
        if name in DOCUMENTED:
            print(f"| {name.removeprefix('aten.')} | {count} | {' | '.join(DOCUMENTED[name])} |")


if __name__ == "__main__":
    main()
