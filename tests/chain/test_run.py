"""`woundgen run` on phantoms and a tiny model: the whole way, stopped and gone on with, planned, and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import woundgen
from woundgen.cli import run as command
from woundgen.pipeline import photographs as photographs_stages
from woundgen.pipeline import stages

from .conftest import Workshop

COUNT = 20


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """56 phantoms of phase I, so that 8 are held out for measuring."""
    folder = tmp_path_factory.mktemp("photographs") / "photographs"
    assert command(["phantoms", "--count", "56", "--phases", "I", "--size", "48", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def words(workshop: Workshop, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command without --out. A model that knows nothing draws what no rule accepts: copies alone are rejected."""
    thresholds = tmp_path_factory.mktemp("thresholds") / "thresholds.yaml"
    thresholds.write_text("policy: report\n")
    quick = [word for one in ("inference_steps_production=2", "max_steps=4") for word in ("--set", one)]
    settings = ["--config", str(workshop.config), *quick, "--thresholds", str(thresholds)]
    return ["run", str(photographs), *settings, "--count", str(COUNT)]


@pytest.fixture(scope="module")
def study(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that Ctrl-C stopped before its audit, gone on with by the same command."""
    out = tmp_path_factory.mktemp("study") / "study"
    with pytest.MonkeyPatch.context() as patch:

        def stopped(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(stages, "audit", stopped)
        assert command([*words, "--out", str(out)]) == 130
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "train", lambda *args, **kwargs: pytest.fail("trained again"))
        patch.setattr(stages, "generate", lambda *args, **kwargs: pytest.fail("drawn again"))
        assert command([*words, "--out", str(out)]) == 0
    return out


def test_everything_is_there(study: Path) -> None:
    expected = [
        "checked/check.html", "split/manifest.csv", "runs/phase_I/run.json", "calibrated/phase_I/calibration.json",
        "generated/phase_I/metadata.csv", "generated/phase_I/metrics.json", "audit/phase_I/PRIVACY.md",
        "report/report.html", "report.private/report_private.html", "summary.json",
    ]  # fmt: skip
    assert not [name for name in expected if not (study / name).is_file()]
    assert (study / "checked").stat().st_mode & 0o777 == 0o700


def test_the_end_says_what_was_found(study: Path) -> None:
    summary = json.loads((study / "summary.json").read_text())
    text = "\n".join(summary["findings"])
    assert f"phase I: {COUNT} of {COUNT} images accepted" in text
    assert "utility is not tested: a classifier needs two phases or more" in text
    assert any(line.startswith("phase I: ") and "verdict" not in line for line in summary["findings"])
    assert str(study / "report" / "report.html") in summary["pages"]
    assert any("--side holdout" in line for line in summary["next"])
    assert set(summary["seconds"]) >= {"check", "split", "train I", "generate I", "evaluate I", "audit I", "report"}


def test_a_finished_study_does_nothing_again(
    words: list[str], study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "calibrate", "generate", "evaluate", "audit", "report"):
        monkeypatch.setattr(stages, name, lambda *args, **kwargs: pytest.fail("done again"))
    for name in ("check_photographs", "split_photographs"):
        monkeypatch.setattr(photographs_stages, name, lambda *args, **kwargs: pytest.fail("done again"))
    assert command([*words, "--out", str(study)]) == 0
    printed = capsys.readouterr().out
    assert "train I: done" in printed
    lines = printed.splitlines()
    assert lines.index("Found") < lines.index("Open") < lines.index("Next")


def test_what_comes_after_a_changed_result_is_done_again(words: list[str], study: Path) -> None:
    pages = study / "report" / "report.html"
    before = pages.stat().st_mtime_ns
    metrics = study / "generated" / "phase_I" / "metrics.json"
    metrics.unlink()
    assert command([*words, "--out", str(study)]) == 0
    assert metrics.exists()
    (study / "report" / "report.html").unlink()
    assert command([*words, "--out", str(study)]) == 0
    assert pages.stat().st_mtime_ns > before


def test_other_settings_are_refused(words: list[str], study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (study / "stages.json").read_bytes()
    assert command([*words, "--out", str(study), "--set", "seed=9"]) == 2
    assert "holds a study with other settings of training." in capsys.readouterr().err
    assert (study / "stages.json").read_bytes() == before


def test_a_plan_writes_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")
    out = tmp_path / "planned"
    assert command(["--json", *words, "--out", str(out), "--set", "probe_steps=1", "--plan"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    planned = rows[-1]["result"]
    assert planned["phases"] == ["I"]
    assert planned["seconds"]["I"]["training"] > 0
    assert planned["seconds"]["I"]["drawing"] > 0
    assert planned["disk_bytes"] > COUNT * 3 * 32**2
    assert not out.exists()


def test_too_few_photographs_are_refused_before_anything(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    woundgen.render_phantoms(tmp_path / "few", count=5, phases="R", size=48)
    assert command(["run", str(tmp_path / "few"), "--out", str(tmp_path / "study")]) == 2
    assert "no phase has photographs enough to train on (R 5)" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_killed_study_goes_on(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "study"
    program = [sys.executable, "-m", "woundgen", *words, "--out", str(out)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 240
    while not list(out.glob("runs/phase_I/checkpoints/epoch_*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert command([*words, "--out", str(out)]) == 0
    assert (out / "report" / "report.html").exists()
