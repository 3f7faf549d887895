"""Going on: with changed settings, by the clock, without logs, and against a second writer."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.runtime.lock import only_writer
from woundgen.storage.checkpoint import newest_sound, pointer, read_checkpoint
from woundgen.storage.files import read_json, read_jsonl, write_json
from woundgen.storage.names import BEST, LOCK

from .conftest import Workshop

QUIET = ("--set", "sample_images=0", "--set", "evaluate_every_n_epochs=50", "--set", "save_every_n_epochs=50")


def steps_of(out: Path) -> list[int]:
    return [row["step"] for row in read_jsonl(out / "train.jsonl")]


def test_changes_are_refused_then_recorded(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And on the way: saves by the clock, a clock set back, logs that are gone, a rank that cannot change."""
    out = tmp_path / "run"
    clock = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))  # an hour back at every look
    by_clock = ("--set", "save_every_minutes=0.00001")
    assert run(workshop.train(out, "--set", "max_steps=3", *QUIET, *by_clock)) == 0
    saved = [read_checkpoint(folder).state for folder in sorted((out / "checkpoints").glob("epoch_*"))]
    assert [state["step"] for state in saved] == [1, 2, 3], "a save after every step"
    assert [state["resuming_only"] for state in saved] == [True, True, False]
    assert [state["observer"]["best"] is None for state in saved] == [True, True, False], "none is a candidate for best"
    assert pointer(out / "checkpoints", BEST) == "epoch_0001_step_000003"
    for key in ("config", "identity", "draws", "scaler", "epoch", "learning_rate"):
        assert key in saved[-1]
    assert {"values", "average", "generator.torch", "generator.numpy", "generator.python"} <= set(
        read_checkpoint(out / "checkpoints" / "epoch_0001_step_000003").tensors
    )

    changed = workshop.train(out, "--set", "max_steps=5", "--set", "learning_rate=2e-3", *QUIET)
    (out / "train.jsonl").unlink()
    capsys.readouterr()
    assert run(changed) == 2
    said = capsys.readouterr().err
    assert "learning_rate was 0.001, now 0.002; max_steps was 3, now 5." in said
    assert "--allow-changes" in said
    assert not (out / "train.jsonl").exists()

    assert run([*changed, "--allow-changes"]) == 0
    assert steps_of(out) == [1, 2, 3, 4, 5], "the checkpoint brings the rows back"
    (note,) = read_json(out / "run.json")["changes"]
    assert note["differences"] == {
        "learning_rate": {"before": "0.001", "now": "0.002"},
        "max_steps": {"before": "3", "now": "5"},
    }
    assert run(changed) == 0, "from now on these are the settings of the run"

    capsys.readouterr()
    assert run([*changed, "--set", "lora_rank=2", "--allow-changes"]) == 2
    assert "lora_rank cannot change within a run" in capsys.readouterr().err


def test_saves_by_the_clock_leave_no_adapters_behind(workshop: Workshop, tmp_path: Path) -> None:
    """Beyond the last three: which adapters a run keeps does not hang on how fast it was."""
    out = tmp_path / "run"
    by_clock = ("--set", "save_every_minutes=0.00001", "--set", "max_steps=8", "--set", "save_every_n_epochs=1")
    assert run(workshop.train(out, *QUIET[:4], *by_clock)) == 0
    steps = [int(folder.name[-6:]) for folder in sorted((out / "checkpoints").glob("epoch_*"))]
    assert steps == [2, 4, 6, 7, 8], "at every second step one by the epoch"


@pytest.fixture
def cut_off(trained: Path, tmp_path: Path) -> Path:
    """A run that was killed after its last checkpoint, before its record said that it had finished."""
    out = Path(shutil.copytree(trained, tmp_path / "run"))
    write_json(out / "run.json", read_json(out / "run.json") | {"status": "running"}, private=True)
    return out


def test_two_writers(cut_off: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    before = (cut_off / "run.json").read_bytes()
    with only_writer(cut_off):
        assert run(workshop.train(cut_off)) == 2
    assert f"{cut_off} is being written by process" in capsys.readouterr().err
    assert (cut_off / "run.json").read_bytes() == before
    assert (cut_off / LOCK).is_file()


def test_other_draws_are_refused(
    cut_off: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that draws other numbers from the same seed would end the run's exactness without a word."""
    from woundgen.workflows.train import resume

    assert newest_sound(cut_off / "checkpoints").folder is not None
    monkeypatch.setattr(resume, "draws_digest", lambda seed, step, noise_stream: "another")
    record = cut_off / "run.json"
    before = record.read_bytes()
    assert run(workshop.train(cut_off)) == 2
    assert "random numbers differ" in capsys.readouterr().err
    assert record.read_bytes() == before, "a refused resume changes nothing"
    assert record.stat().st_mode & 0o777 == 0o600
    other = read_json(record)
    write_json(record, other | {"versions": other["versions"] | {"torch": "1.0"}})
    assert run(workshop.train(cut_off, "--allow-changes")) == 0
    (note,) = read_json(record)["changes"]
    assert note["differences"]["version of torch"]["before"] == "1.0"
