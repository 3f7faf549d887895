"""Whether steps repeat to the bit, for benchmarks/gpu_all.py: again, after SIGKILL, as graphs, by two processes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from gpu_training import BenchmarkRun, Checkpoint, Effort, Row, Shape
from harness import spread
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, multiprocessing
from torch.backends import cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.operation_trace import OperationTrace, unequal_operations
from woundgen.runtime.determinism import deterministic_algorithms
from woundgen.runtime.ranks import Ranks

STATE, VALUES, SECONDS = "state.safetensors", "values.safetensors", "seconds.json"
FAR = 10**6
Settings = dict[str, Any]


def exactness(shape: Shape, effort: Effort, *, settings: Settings) -> Iterator[Row]:
    """The same steps again, stopped half way and gone on with, and without graphs: which are equal to the bit."""
    steps = effort.warm + effort.steps
    with deterministic_algorithms(bool(settings.get("deterministic"))):
        whole, losses, warnings = trained(shape, settings, steps)
        again, losses_again, _ = trained(shape, settings, steps)
        resumed, _, _ = trained(shape, settings, steps, stop=steps // 2)
        plain, _, _ = trained(shape, settings | {"cuda_graphs": False}, steps)
    yield {
        "steps": steps,
        "repeats": torch.equal(again, whole) and losses_again == losses,
        "resumes": torch.equal(resumed, whole),
        "graphs equal eager": torch.equal(plain, whole),
        "apart, repeated": apart(again, whole),
        "apart, eager": apart(plain, whole),
        "warnings": warnings,
    }


def trained(
    shape: Shape, settings: Settings, steps: int, *, stop: int | None = None
) -> tuple[Tensor, list[float], list[str]]:
    """Values on the CPU, losses and warnings of a run of its own. stop: where another process would go on."""
    run = BenchmarkRun(shape, settings)
    if stop is not None:
        run.run(stop)
        checkpoint, run = run.save(), BenchmarkRun(shape, settings)
        run.restore(checkpoint)
    run.run(steps)
    return run.model.trainable.values.detach().cpu(), run.losses, run.warnings


def apart(values: Tensor, expected: Tensor) -> float:
    """Return the relative distance, L2."""
    return ((values - expected).norm() / expected.norm()).item()


def killed(shape: Shape, effort: Effort, *, settings: Settings) -> Iterator[Row]:
    """A process that SIGKILL ends while it trains, another that goes on from its file, and one that nobody disturbs."""
    steps = effort.warm + effort.steps
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = multiprocessing.get_context("spawn").Process(
            target=train_from_file, args=(0, shape, settings, FAR, folder, steps // 2)
        )
        first.start()
        while not (folder / STATE).exists() and first.is_alive():
            time.sleep(0.02)
        first.kill()
        first.join()
        multiprocessing.spawn(train_from_file, args=(shape, settings, steps, folder, 0))
        resumed = load_file(folder / VALUES)["values"]
    whole, _, _ = trained(shape, settings, steps)
    yield {
        "steps": steps,
        "killed after": steps // 2,
        "exit code of the killed": first.exitcode,
        "resumes to the byte": torch.equal(resumed, whole),
        "apart": apart(resumed, whole),
    }


def train_from_file(process: int, shape: Shape, settings: Settings, steps: int, folder: Path, stop: int) -> None:
    """Go on from STATE up to `steps`; without one train up to `stop`, write it, and go on. Writes VALUES at the end.

    process: the number that torch.multiprocessing.spawn gives it.
    """
    run = BenchmarkRun(shape, settings)
    if (folder / STATE).exists():
        with safe_open(folder / STATE, "pt") as file:
            counters = json.loads(file.metadata()["counters"])
        run.restore(Checkpoint(load_file(folder / STATE), counters))
    else:
        run.run(stop)
        checkpoint = run.save()
        save_file(checkpoint.tensors, folder / "new", {"counters": json.dumps(checkpoint.counters)})
        (folder / "new").replace(folder / STATE)
    run.run(steps)
    save_file({"values": run.model.trainable.values.detach().cpu()}, folder / VALUES)


def two_processes(shape: Shape, effort: Effort, *, settings: Settings) -> Iterator[Row]:
    """Two processes on one card share each step. By gloo: NCCL takes one process a card."""
    steps = effort.warm + effort.steps
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        multiprocessing.spawn(share_steps, args=(shape, settings, steps, folder), nprocs=2)
        shared = load_file(folder / VALUES)["values"]
        seconds = json.loads((folder / SECONDS).read_text())
    whole, _, _ = trained(shape, settings, steps)
    yield spread(seconds[effort.warm :], images=shape.batch) | {"processes": 2, "apart from one": apart(shared, whole)}


def share_steps(rank: int, shape: Shape, settings: Settings, steps: int, folder: Path) -> None:
    """Train as one of two ranks; the first writes VALUES and SECONDS."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    run = BenchmarkRun(shape, settings)
    run.run(steps, ranks=Ranks(rank, 2))
    if rank == 0:
        save_file({"values": run.model.trainable.values.detach().cpu()}, folder / VALUES)
        (folder / SECONDS).write_text(json.dumps(run.seconds))
    dist.destroy_process_group()


def repeatability(shape: Shape, effort: Effort, *, settings: Settings, ways: Sequence[str]) -> Iterator[Row]:
    """Two steps, twice from the same state: which operations read the same bits and wrote others."""
    run = BenchmarkRun(shape, settings | {"cuda_graphs": False})
    run.run(1)
    begun = run.save()
    for way in ways:
        traces, values = [], []
        with WAYS[way]():
            for _ in range(2):
                run.restore(begun)
                with OperationTrace() as trace:
                    run.run(3)
                traces.append(trace)
                values.append(run.model.trainable.values.detach().cpu())
        yield {
            "way": way,
            "operations": len(traces[0].steps),
            "repeats": torch.equal(*values),
            "apart": apart(*values),
            "unequal": unequal_operations(*traces),
        }


WAYS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "as it is": nullcontext,
    "convolutions without TF32": lambda: cudnn.flags(enabled=True, allow_tf32=False),
    "convolutions by deterministic kernels": lambda: cudnn.flags(enabled=True, deterministic=True),
    "plain attention": lambda: sdpa_kernel(SDPBackend.MATH),
    "cuBLAS's workspace set": nullcontext,  # by the item's environment
    "deterministic: true": lambda: deterministic_algorithms(True),
}
