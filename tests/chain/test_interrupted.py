"""A run in a process of its own, stopped by a signal, and gone on with by the same command."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from woundgen.cli import run
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.files import read_json, read_jsonl

from .conftest import Workshop

STEPS = 14
# Dropout, prompt dropout and variations are on; evaluations and saves are rare, so that steps follow one another.
SETTINGS = (f"max_steps={STEPS}", "evaluate_every_n_epochs=20", "save_every_n_epochs=20", "sample_images=0")
PATIENCE = 300.0  # seconds, on a machine that has other work


def steps_of(out: Path) -> list[int]:
    return [row["step"] for row in read_jsonl(out / "train.jsonl")]


def stop_after(process: subprocess.Popen[str], out: Path, *, steps: int) -> None:
    """SIGTERM once that many steps are logged."""
    deadline = time.monotonic() + PATIENCE
    while len(steps_of(out)) < steps:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.005)
    process.terminate()


def newest(out: Path) -> Path:
    newest = newest_sound(out / "checkpoints")
    assert not newest.faults
    found = newest.folder
    assert found is not None
    return found


def test_a_stop_costs_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """Exit code 143 after a checkpoint; then each step once, and the bytes of a run that was never stopped."""
    stopped, whole = tmp_path / "stopped" / "run", tmp_path / "whole" / "run"
    more = [word for setting in SETTINGS for word in ("--set", setting)]
    command = [sys.executable, "-c", "from woundgen.cli import main; main()", *workshop.train(stopped, *more)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        stop_after(process, stopped, steps=3)
        said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 143, said
    reached = steps_of(stopped)[-1]
    assert 3 <= reached < STEPS
    assert f"stopped by signal 15 after step {reached}" in said
    assert read_json(newest(stopped) / "state.json")["step"] == reached
    assert read_json(stopped / "run.json")["status"] == "stopped"

    assert run(workshop.train(stopped, *more)) == 0
    assert steps_of(stopped) == list(range(1, STEPS + 1))
    assert read_json(stopped / "run.json")["status"] == "finished"

    assert run(workshop.train(whole, *more)) == 0
    assert newest(stopped).name == newest(whole).name
    for name in ("state.safetensors", "state.json", "ema/pytorch_lora_weights.safetensors"):
        assert (newest(stopped) / name).read_bytes() == (newest(whole) / name).read_bytes(), name
    assert (stopped / "train.jsonl").read_bytes() == (whole / "train.jsonl").read_bytes()
    assert (stopped / "eval.jsonl").read_bytes() == (whole / "eval.jsonl").read_bytes()
