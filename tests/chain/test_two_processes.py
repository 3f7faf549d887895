"""`woundgen train --devices 2`: two processes that add up their gradients (gloo), one killed, and gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import EVAL_LOG, TRAIN_LOG

from ..forks import code_of, fork, places
from .conftest import Workshop, contents

STEPS = 20
# 11 images a step: one process takes them at once, two take 6 and 5. Weighted losses, every kind of dropout, terms on
# the estimate (a discriminator that learns from what both see), and an evaluation at the end that draws and measures.
SETTINGS = (
    f"max_steps={STEPS}", "batch_size_per_gpu=11", "gradient_accumulation=1", "min_snr_gamma=5", "train_val_split=0.34",
    "metric_images=16", "evaluate_every_n_epochs=100", "save_every_n_epochs=6", "save_every_minutes=null",
    "device=cpu", "perceptual_weight=0.1", "perceptual_network=embedded", "perceptual_share=0.2",
    "estimate_min_snr=0.3", "adversarial_weight=0.1", "discriminator_rate=1e-3",
)  # fmt: skip
WOUNDGEN = (sys.executable, "-c", "from woundgen.cli import main; main()")
PATIENCE = 300.0  # seconds, on a machine that has other work


def words_of(workshop: Workshop, out: Path, *more: str) -> list[str]:
    return workshop.train(out, *(word for one in SETTINGS for word in ("--set", one)), *more)


def in_two_forks(words: list[str]) -> list[int]:
    """Exit codes of `woundgen WORDS` in two forks of this process, placed as a launcher would place them."""
    return [code_of(child) for child in [fork(lambda: run(words), environment=place) for place in places()]]


def results(out: Path) -> dict[str, bytes]:
    return contents(out / "checkpoints") | {name: (out / name).read_bytes() for name in (TRAIN_LOG, EVAL_LOG)}


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in read_jsonl(out / TRAIN_LOG)]


def terms(out: Path) -> list[list[float]]:
    """Of each step: the terms, their shares of the gradient, and what the discriminator told right."""
    names = ("perceptual", "perceptual_gradient_share", "adversarial", "discriminator_real", "discriminator_fake")
    return [[row.get(name, 0.0) for name in names] for row in read_jsonl(out / TRAIN_LOG)]


def measured(out: Path) -> list[tuple[str, str, str]]:
    """Weights, metric and label of every number."""
    return [(row["weights"], v["metric"], v["label"]) for row in read_jsonl(out / EVAL_LOG) for v in row["metrics"]]


@pytest.fixture(scope="module")
def whole(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert in_two_forks(words_of(workshop, out, "--devices", "2")) == [0, 0]
    assert len(losses(out)) == STEPS
    assert read_json(out / "run.json")["processes"] == 2
    return out


def rank_among(processes: list[int], rank: int) -> int:
    """Which of the processes was given this rank."""
    wanted = f"\0RANK={rank}\0".encode()
    return next(one for one in processes if wanted in b"\0" + Path(f"/proc/{one}/environ").read_bytes())


def children_of(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for_steps(process: subprocess.Popen[str], out: Path, *, steps: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(losses(out)) < steps:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run does not get on"
        time.sleep(0.005)


def test_one_process_takes_what_two_take(workshop: Workshop, whole: Path, tmp_path: Path) -> None:
    """The real command with --devices 2 (`whole`) against the one without, to rounding."""
    alone = tmp_path / "run"
    assert run(words_of(workshop, alone)) == 0
    assert losses(alone) == pytest.approx(losses(whole), rel=1e-5)
    np.testing.assert_allclose(terms(alone), terms(whole), rtol=1e-4, atol=1e-6)
    assert all(column.any() for column in np.array(terms(alone)).T)
    assert measured(alone) == measured(whole)
    assert ("ema", "fd", "floor") in measured(alone)


@pytest.mark.slow
def test_one_of_two_is_killed_and_the_run_gone_on_with(workshop: Workshop, whole: Path, tmp_path: Path) -> None:
    """All end within a minute with exit code 137. Two go on to the bytes of `whole`; one alone, to rounding."""
    out = tmp_path / "run"
    words = words_of(workshop, out, "--devices", "2")
    command = [*WOUNDGEN, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_steps(process, out, steps=6)
        os.kill(rank_among(children_of(process.pid), 1), signal.SIGKILL)
        killed = time.monotonic()
        said = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - killed < 60
    assert process.returncode == 137, said
    assert "process 1 of 2 was killed by signal 9" in said[1]
    assert 6 <= len(losses(out)) < STEPS
    alone = Path(shutil.copytree(out, tmp_path / "alone"))

    assert in_two_forks(words) == [0, 0]
    assert results(out) == results(whole)

    assert run(words_of(workshop, alone)) == 0
    assert losses(alone) == pytest.approx(losses(whole), rel=1e-5)
    assert read_json(alone / "run.json")["processes"] == 1
    assert measured(alone) == measured(whole)
    assert ("ema", "fd", "floor") in measured(alone)


def launched(launcher: list[str], workshop: Workshop, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = words_of(workshop, out, *more)
    command = [sys.executable, "-m", *launcher, *WOUNDGEN, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)


TORCHRUN = ["torch.distributed.run", "--nproc_per_node=2", "--no_python"]
ACCELERATE = ["accelerate.commands.launch", "--num_processes=2", "--num_machines=1", "--no_python"]
ACCELERATE += ["--mixed_precision=no", "--dynamo_backend=no", "--num_cpu_threads_per_process=1"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [TORCHRUN, [*ACCELERATE, "--multi_gpu"]], ids=["torchrun", "accelerate"])
def test_other_launchers(
    launcher: list[str], workshop: Workshop, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each starts two processes that train as ours do."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "run"
    done = launched(launcher, workshop, out, "--devices", "2")
    assert done.returncode == 0, done.stderr
    assert read_json(out / "run.json")["processes"] == 2
    assert results(out) == results(whole)


@pytest.mark.slow
def test_a_launcher_that_starts_others_than_asked_for(workshop: Workshop, tmp_path: Path) -> None:
    refused = launched(TORCHRUN, workshop, tmp_path / "none", "--devices", "3")
    assert refused.returncode != 0
    assert "--devices 3, but the launcher started 2 processes." in refused.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_accelerate_that_starts_one_of_two(workshop: Workshop, tmp_path: Path) -> None:
    """As `accelerate launch --cpu` does without a word."""
    done = launched([*ACCELERATE, "--cpu"], workshop, tmp_path / "none")
    assert "accelerate launch was asked for several processes and has started one." in done.stderr
    assert not (tmp_path / "none").exists()
