"""benchmarks/gpu_all.py on a CPU with tiny shapes: rows as it goes, whole at any moment, in the time that there is."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from woundgen.training.memory import run_fake_pass

from ..operation_trace import OperationTrace, unequal_operations

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = ("--device", "cpu", "--name", "tiny", "--side", "64", "--batch", "2", "--steps", "2", "--sampler-steps", "3")


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[Any, Any]]:
    """gpu_all and gpu_items, which import their neighbours by name."""
    sys.path.insert(0, str(BENCHMARKS))
    import gpu_all
    import gpu_items

    yield gpu_all, gpu_items
    sys.path.remove(str(BENCHMARKS))


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "gpu_all.json").read_text())


@pytest.mark.slow
def test_rows_of_each_kind(modules: tuple[Any, Any], tmp_path: Path) -> None:
    gpu_all, _ = modules
    only = ("--only", "LoRA bf16, batch 8", "2 times the side", "replayed", "drawing", "exactness, bf16")
    gpu_all.main([*TINY, *only, "--minutes", "5", "--no-estimates", "--out", str(tmp_path)])
    content = read(tmp_path)
    rows = {row["item"]: row for row in content["rows"]}
    assert not [row for row in content["rows"] if "error" in row]
    training = rows["training, LoRA bf16, batch 8"]
    assert training["n"] == 2
    assert training["batch"] == 8
    assert training["GiB foreseen"] > 0
    assert training["GiB reserved"] is None, "nobody counts it on a CPU"
    assert rows["training, LoRA bf16, 2 times the side"]["side"] == 128
    exact = rows["exactness, bf16"]
    assert exact["repeats"] is exact["resumes"] is exact["graphs equal eager"] is True, "on a CPU all is exact"
    ways = [row["way"] for row in content["rows"] if row["item"] == "drawing"]
    assert ways[0] == "ours"
    assert len(ways) == 5
    assert all(math.isfinite(row["ms"]) for row in content["rows"] if "ms" in row)
    assert content["machine"]["card"] == "none: a CPU"
    page = (tmp_path / "gpu_all.md").read_text()
    assert "## training" in page
    assert "| ours |" in page
    assert torch.__version__ in page


def test_everything_asked_for_is_among_the_items(modules: tuple[Any, Any]) -> None:
    """And what has to add in order starts with cuBLAS's setting, which is read once a process."""
    _, gpu_items = modules
    items = {item.name: item for item in gpu_items.items()}
    training = {name.removeprefix("training, ") for name in items if name.startswith("training, ")}
    assert {"DoRA bf16", "whole UNet bf16", "whole UNet bf16, 8-bit AdamW", "DreamBooth bf16"} < training
    assert {
        "textual inversion bf16",
        "LoRA bf16",
        "LoRA bf16, 2 times the side",
        "LoRA bf16, 4 times the side",
    } < training
    assert {f"LoRA bf16, batch {count}" for count in (8, 32, 64)} < training
    for kind in ("bf16", "fp16", "fp32"):
        assert {f"exactness, {kind}", f"killed, {kind}"} < set(items)
    assert {"drawing", "repeatability, fp32", "two processes, LoRA bf16"} < set(items)
    in_order = {name for name, item in items.items() if item.environment.get("CUBLAS_WORKSPACE_CONFIG")}
    assert in_order == {name for name in items if "deterministic" in name or "in order" in name}
    within_three_minutes, spent = [], 0.0
    for name, item in items.items():
        if spent + item.seconds <= 180:
            spent += item.seconds
            within_three_minutes.append(name)
    assert within_three_minutes[:4] == list(items)[:4], "speed, the card's limit, drawing, exactness"


def test_time_that_is_not_there_is_not_begun(modules: tuple[Any, Any], tmp_path: Path) -> None:
    """A clock of its own: items of 30, 20 and 60 seconds in 55, each of which takes what it says."""
    gpu_all, gpu_items = modules
    now = [0.0]

    def taking(seconds: float) -> Any:
        def rows(shape: object, effort: object) -> Iterator[dict[str, Any]]:
            now[0] += seconds
            yield {"ms": seconds}

        return rows

    todo = [gpu_items.Item(f"item {seconds}", seconds, taking(seconds)) for seconds in (30, 60, 20, 6)]
    results = gpu_all.Results(tmp_path, {})
    shape = gpu_all.Shape("tiny", 64, 2, torch.device("cpu"))
    gpu_all.measure(todo, shape, None, results, seconds=55, run_alone=None, clock=lambda: now[0])
    assert [row["item"] for row in read(tmp_path)["rows"]] == ["item 30", "item 20"]
    assert read(tmp_path)["not begun"] == ["item 60", "item 6"]
    assert "Not begun for want of time: item 60; item 6." in (tmp_path / "gpu_all.md").read_text()


def test_an_item_that_fails_is_a_row_and_the_others_go_on_alone(modules: tuple[Any, Any], tmp_path: Path) -> None:
    """On a card: what an error leaves of CUDA serves nobody."""
    gpu_all, gpu_items = modules

    def failing(shape: object, effort: object) -> Iterator[dict[str, Any]]:
        yield {"ms": 1.0}
        raise RuntimeError("CUDA error: an illegal memory access\nmore")

    def sound(shape: object, effort: object) -> Iterator[dict[str, Any]]:
        yield {"ms": 2.0}

    alone: list[str] = []

    def run_alone(item: Any, seconds: float) -> Iterator[dict[str, Any]]:
        alone.append(item.name)
        yield {"ms": 3.0}

    todo = [gpu_items.Item("first", 1, failing), gpu_items.Item("second", 1, sound)]
    for kind, expected in (("cpu", []), ("cuda", ["second"])):
        results = gpu_all.Results(tmp_path, {})
        alone.clear()
        shape = gpu_all.Shape("tiny", 64, 2, torch.device(kind))
        gpu_all.measure(todo, shape, None, results, seconds=60, run_alone=run_alone)
        assert alone == expected
        assert [row.get("error") for row in results.rows] == [
            None, "RuntimeError: CUDA error: an illegal memory access", None,
        ]  # fmt: skip
    assert "## failed" in (tmp_path / "gpu_all.md").read_text()


def test_each_way_to_repeat_is_a_row(modules: tuple[Any, Any]) -> None:
    """On a CPU all repeat; each way is one that its switches allow."""
    _, gpu_items = modules
    from gpu_exactness import WAYS, repeatability

    shape = gpu_items.Shape("tiny", 64, 1, torch.device("cpu"))
    ways = ["deterministic: true"]
    rows = list(repeatability(shape, None, settings=gpu_items.FP32, ways=ways))
    assert [row["way"] for row in rows] == ways
    assert all(row["repeats"] and not row["unequal"] and row["operations"] > 500 for row in rows)
    for way in WAYS.values():
        with way():
            pass


def test_the_operation_that_does_not_repeat_is_named(modules: tuple[Any, Any]) -> None:
    """A product of what another operation spoilt repeats for its input; the backward pass counts, too."""
    weight = torch.ones(4, requires_grad=True)

    def step() -> OperationTrace:
        weight.grad = None
        with OperationTrace() as trace:
            doubled = torch.ones(4).mul(2)
            (doubled * torch.rand(4) * weight).sum().backward()
        return trace

    assert unequal_operations(step(), step()) == ["aten.rand 1"]
    assert step().counts()["aten.mul"] == 4, "three forward, one backward"
    assert "aten.view" not in step().counts()


@pytest.mark.slow
def test_fewer_operations_in_groups_and_fewer_still_in_half(modules: tuple[Any, Any]) -> None:
    """Counted on fake tensors: nothing is computed; attention's products and convolutions are among them."""
    from gpu_training import BenchmarkRun, Shape

    settings = {"mixed_precision": "bf16", "gradient_checkpointing": False, "lora_dropout": 0.0, "lora_rank": 4}
    run = BenchmarkRun(Shape("tiny", 64, 2, torch.device("cpu")), settings)
    values = run.model.trainable.values.detach().clone()
    counts = []
    for grouped, half_norms in ((False, False), (True, False), (True, True)):
        run.model.lean.adapter.enabled, run.model.lean.norms.enabled = grouped, half_norms
        trace = OperationTrace(digests=False)
        run_fake_pass(run.base.unet, run.pass_shape(), trace, dropout=run.model.dropout, half_norms=half_norms)
        counts.append(trace.counts())
    apart, grouped, lean = (sum(count.values()) for count in counts)
    assert lean < grouped < 0.65 * apart
    assert {"aten.convolution_backward", "aten.mm"} < set(counts[2])
    assert torch.equal(run.model.trainable.values, values)
    assert not run.model.trainable.gradient.any()


@pytest.mark.slow
def test_cut_at_any_moment(tmp_path: Path) -> None:
    """Killed after its first rows; what is there is whole. And an item that runs in a process of its own."""
    command = [sys.executable, str(BENCHMARKS / "gpu_all.py"), *TINY, "--minutes", "5", "--no-estimates"]
    with subprocess.Popen([*command, "--out", str(tmp_path)]) as process:
        deadline = time.monotonic() + 240
        while not (tmp_path / "gpu_all.json").exists() or not read(tmp_path)["rows"]:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert read(tmp_path)["rows"][0]["item"] == "training, LoRA bf16"
    assert "training, LoRA bf16" in (tmp_path / "gpu_all.md").read_text()


@pytest.mark.slow
def test_items_in_processes_of_their_own(tmp_path: Path) -> None:
    """With cuBLAS's setting; one that is killed; two that share a step."""
    command = [sys.executable, str(BENCHMARKS / "gpu_all.py"), *TINY, "--minutes", "20", "--no-estimates"]
    only = ("--only", "LoRA fp32, deterministic", "killed, bf16", "two processes", "--out", str(tmp_path))
    subprocess.run([*command, *only], check=True, timeout=1200)
    killed, alone, shared = read(tmp_path)["rows"]
    assert killed["item"] == "killed, bf16"
    assert killed["exit code of the killed"] == -signal.SIGKILL
    assert killed["resumes to the byte"] is True
    assert alone["item"] == "training, LoRA fp32, deterministic"
    assert alone["ms"] > 0
    assert shared["processes"] == 2
    assert shared["n"] == 2
    assert shared["apart from one"] < 1e-2, "bf16: a sum of two halves instead of one of the whole"
