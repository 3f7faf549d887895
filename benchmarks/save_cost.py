"""What a checkpoint costs: its share of an adapter's training, its speed against the disk's own, its size.

    python benchmarks/save_cost.py [--photographs 100] [--epochs 15] [--megabytes 1000] [--rounds 5]

Adapter: `woundgen train` on the embedded base on phantoms, at the default settings but that nothing is drawn, so that
saves are held against the steps alone; every save is timed.
Full: a state as full fine-tuning has it (weights, moving average, two moments, and two exports of the weights),
`--megabytes` in all, saved in turn with the same bytes written to one file and fsynced: what the disk can do.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import make_parser
from safetensors.torch import save_file

from woundgen.cli import run
from woundgen.storage.checkpoint import all_checkpoints, read_checkpoint, write_checkpoint
from woundgen.storage.names import CHECKPOINTS, STATE_TENSORS
from woundgen.workflows.train.checkpoints import Checkpointer
from woundgen.workflows.train.observer import Observer


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def measured(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = function(*arguments, **named)
        seconds.append(time.perf_counter() - began)
        return result

    return measured


def adapter_run(folder: Path, *, photographs: int, epochs: int) -> None:
    saves: list[float] = []
    evaluations: list[float] = []
    steps: list[float] = []

    after_step = Observer.after_step

    def note(observer: Observer, report: Any) -> bool:
        steps.append(time.perf_counter())
        stop = after_step(observer, report)
        steps.append(time.perf_counter())
        return stop

    Checkpointer.save = timed(Checkpointer.save, saves)  # type: ignore[method-assign]
    Observer.evaluate = timed(Observer.evaluate, evaluations)  # type: ignore[method-assign]
    Observer.after_step = note  # type: ignore[method-assign]
    settings = ("base_model=embedded", f"max_epochs={epochs}", "sample_images=0", "metric_images=0")
    words = ["train", "--data", str(folder / "phantoms"), "--out", str(folder / "run")]
    assert run(["phantoms", "--count", str(photographs), "--phases", "I", "--out", str(folder / "phantoms")]) == 0
    assert run(words + [word for one in settings for word in ("--set", one)]) == 0
    between = [steps[i + 1] - steps[i] for i in range(1, len(steps) - 1, 2)]  # from one after_step to the next
    training = sum(between) + statistics.median(between)  # the first step is not between two
    print(
        f"adapter: {len(between) + 1} steps of {statistics.median(between):.2f} s (median), {len(saves)} saves of "
        f"{statistics.median(saves):.3f} s (median; longest {max(saves):.3f}), evaluations {sum(evaluations):.1f} s"
    )
    print(f"adapter: saving took {sum(saves) / training:.2%} of the training steps' {training:.1f} s")
    size_of(all_checkpoints(folder / "run" / CHECKPOINTS)[-1])


def size_of(checkpoint: Path) -> None:
    """Bytes on disk over bytes of tensors, the exports' included."""
    files = [path for path in checkpoint.rglob("*") if path.is_file()]
    state = sum(t.numel() * t.element_size() for t in read_checkpoint(checkpoint).tensors.values())
    exports = sum(path.stat().st_size for path in files if path.suffix == ".safetensors" and path.name != STATE_TENSORS)
    total = sum(path.stat().st_size for path in files)
    print(f"adapter: a checkpoint has {total / 1e6:.2f} MB, {total / (state + exports):.3f} of its tensors")


def full_save(folder: Path, *, megabytes: int, rounds: int) -> None:
    count = int(megabytes * 1e6 / 4 / 6)
    names = ("values", "average", "optimizer.0.exp_avg", "optimizer.0.exp_avg_sq")
    tensors = {name: torch.randn(count) for name in names}

    def export(target: Path) -> None:
        for kind, name in (("raw", "values"), ("ema", "average")):
            (target / kind).mkdir()
            save_file({"unet": tensors[name]}, target / kind / "unet.safetensors")

    content = b"".join([tensors["values"].numpy().tobytes()] * 6)
    ours, disk = [], []
    for number in range(rounds):
        began = time.perf_counter()
        path = write_checkpoint(folder / "full", f"step_{number}", state={}, tensors=tensors, export=export)
        ours.append(time.perf_counter() - began)
        size = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
        began = time.perf_counter()
        with (folder / "plain").open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        disk.append(time.perf_counter() - began)
        (folder / "plain").unlink()
        for one in all_checkpoints(folder / "full")[:-1]:
            for file in [file for file in one.rglob("*") if file.is_file()]:
                file.unlink()
    speeds = [size / 1e6 / statistics.median(seconds) for seconds in (ours, disk)]
    print(
        f"full: {size / 1e6:.0f} MB, {rounds} rounds in turn: {speeds[0]:.0f} MB/s with digests and fsync, "
        f"the disk alone {speeds[1]:.0f} MB/s ({speeds[0] / speeds[1]:.2f})"
    )
    print(f"full: a checkpoint has {size / (4 * count * 6):.4f} of its tensors' bytes")


def main() -> None:
    parser = make_parser(__doc__, photographs=100, epochs=15, megabytes=1000, rounds=5)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure [a temporary folder]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        full_save(Path(folder), megabytes=chosen.megabytes, rounds=chosen.rounds)
        adapter_run(Path(folder), photographs=chosen.photographs, epochs=chosen.epochs)


if __name__ == "__main__":
    main()
