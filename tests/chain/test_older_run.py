"""A run that version 0.1.0 began goes on, and is drawn from.

stored/run_of_0_1_0.tar.gz holds twelve phantoms, a config, and the run as commit 4f7e4d1 left it after a signal at step
4 of 6, on the tiny base of the tests.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.models.base import base_digest
from woundgen.storage.files import read_json, read_jsonl

STORED = Path(__file__).parents[1] / "stored" / "run_of_0_1_0.tar.gz"
TRAIN = ["train", "--config", "config.yaml", "--data", "photographs", "--out", "run"]


@pytest.fixture
def stopped(tmp_path: Path, base_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run's folder, in the folder that the command was typed in."""
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.copytree(base_folders["v_prediction"], tmp_path / "base")
    record = read_json(tmp_path / "run" / "run.json")
    if record["base"]["digest"] != base_digest(tmp_path / "base"):
        pytest.skip("this torch draws other random weights for the tiny base than the run was trained on")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_the_same_command_goes_on(stopped: Path) -> None:
    before = list(read_jsonl(stopped / "train.jsonl"))
    assert [row["step"] for row in before] == [1, 2, 3, 4]
    assert run(TRAIN) == 0
    rows = list(read_jsonl(stopped / "train.jsonl"))
    assert rows[:4] == before, "what was trained is not trained again"
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    record = read_json(stopped / "run.json")
    assert record["status"] == "finished"
    assert record["created"] == "2026-01-01T00:00:00+00:00"
    assert (stopped / "checkpoints" / "latest").read_text().strip() == "epoch_0002_step_000006"


def test_other_settings_are_refused_by_name(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (stopped / "run.json").read_bytes()
    assert run([*TRAIN, "--set", "learning_rate=2e-3"]) == 2
    assert "learning_rate" in capsys.readouterr().err
    assert (stopped / "run.json").read_bytes() == before


def test_its_adapter_draws(stopped: Path, tmp_path: Path) -> None:
    words = ["--count", "2", "--block", "2", "--steps", "2", "--size", "32", "--out", str(tmp_path / "set")]
    assert run(["generate", "--adapter", "run", *words]) == 0
    assert len(list((tmp_path / "set" / "images").glob("*.png"))) == 2
