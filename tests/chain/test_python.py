"""The public functions on a tiny model, from training to report: what the command line stands on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import woundgen
from woundgen.cli import run as command
from woundgen.workflows.train import job

from .conftest import Workshop

OPTIONS = woundgen.GenerateOptions(size=32, steps=2, guidance_scale=1.5, block=4)


@pytest.fixture(scope="module")
def studio(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a set, both made in Python."""
    folder = tmp_path_factory.mktemp("studio")
    run = woundgen.train(workshop.config, data=workshop.photographs, out=folder / "run")
    assert (run.steps, run.exit_code) == (12, 0)
    drawn = woundgen.generate(run, out=folder / "set", count=12, options=OPTIONS, console=woundgen.Console("silent"))
    assert len(drawn) == 12
    return folder


def test_a_run_shows_its_evaluations(studio: Path) -> None:
    run = woundgen.open_run(studio / "run")
    assert run.steps == 12
    assert run.config.lora.rank == 4
    assert run.best is not None
    assert [row["step"] for row in run.losses()] == list(range(1, 13))
    assert {row["metric"] for row in run.evaluations()} == {"val_loss"}
    assert "evaluation at step" in run._repr_html_()


def test_the_same_call_finds_the_run_finished(workshop: Workshop, studio: Path) -> None:
    before = (studio / "run" / "run.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        for step in ("announce", "probe", "encode_dataset"):
            patch.setattr(job, step, lambda *args: pytest.fail("nothing is left to do"))
        again = woundgen.train(workshop.config, data=workshop.photographs, out=studio / "run")
    assert (again.steps, again.exit_code) == (12, 0)
    assert (studio / "run" / "run.json").read_bytes() == before


def test_a_run_without_its_last_checkpoint_is_not_finished(workshop: Workshop, studio: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(studio / "run", tmp_path / "run"))
    expected = (run / "checkpoints" / "latest").read_text().strip()
    shutil.rmtree(run / "checkpoints" / expected)
    again = woundgen.train(workshop.config, data=workshop.photographs, out=run, console=woundgen.Console("silent"))
    assert again.steps == 12
    for weights in ("raw", "ema"):
        made, first = (
            next((folder / "checkpoints" / expected / weights).glob("*.safetensors")).read_bytes()
            for folder in (run, studio / "run")
        )
        assert made == first


def test_a_set_gives_arrays_and_pictures(studio: Path) -> None:
    drawn = woundgen.open_set(studio / "set")
    images = drawn.images()
    assert images.shape == (12, 32, 32, 3)
    assert images.dtype == np.uint8
    assert [np.array_equal(np.asarray(p), i) for p, i in zip(drawn.pictures(), images, strict=True)] == [True] * 12
    assert "12 of 12 images" in drawn._repr_html_()
    assert drawn.rows()[0]["seed"] is not None


def test_the_command_draws_the_same_bytes(studio: Path, tmp_path: Path) -> None:
    words = ["generate", "--adapter", str(studio / "run"), "--out", str(tmp_path / "set"), "--count", "12"]
    assert command([*words, "--size", "32", "--steps", "2", "--guidance", "1.5", "--block", "4"]) == 0
    names = [row["file_name"] for row in woundgen.open_set(tmp_path / "set").rows()]
    assert len(names) == 12
    for name in names:
        assert (tmp_path / "set" / name).read_bytes() == (studio / "set" / name).read_bytes()


def test_a_plan_writes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    planned = woundgen.plan({**_settings(workshop), "probe_steps": 1}, data=workshop.photographs, out=tmp_path / "run")
    assert planned.plan["steps"] == 12
    assert planned.estimate is not None
    assert planned.estimate["training_seconds"] > 0
    assert not (tmp_path / "run").exists()


def _settings(workshop: Workshop) -> dict[str, object]:
    return woundgen.load_config(workshop.config).flat()


def test_measured_compared_and_reported(studio: Path, workshop: Workshop, tmp_path: Path) -> None:
    real = tmp_path / "real"
    woundgen.render_phantoms(real, count=20, phases="I", size=48, seed=4)
    measured = woundgen.evaluate(studio / "set", phase="I", real=real, options=woundgen.EvaluateOptions(margin=0.25))
    assert measured.value("fd").n[0] > 0
    assert json.loads(measured.path.read_text())["rows"] == [
        json.loads(json.dumps(row)) for row in measured.to_json()["rows"]
    ]
    compared = woundgen.compare([measured.path, studio / "set"], out=tmp_path / "compared")
    assert all(page.exists() for page in compared.pages)
    reported = woundgen.report(studio / "run", studio / "set", out=tmp_path / "report")
    assert (tmp_path / "report" / "report.html") in reported.pages


def test_json_ends_in_the_result(
    studio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")
    words = ["report", "--run", str(studio / "run"), "--generated", str(studio / "set"), "--out", str(tmp_path / "r")]
    assert command(["--json", *words]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["level"], last["verb"]) == ("result", "report")
    assert str(tmp_path / "r" / "report.html") in last["result"]["pages"]
