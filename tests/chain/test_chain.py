"""The main job through the command line: photographs, adapter, images, numbers, pages."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.config.prompts import SHORT_PROMPT
from woundgen.models.base import BaseModel
from woundgen.storage.checkpoint import fault, newest_sound
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import ADAPTER_FILE
from woundgen.storage.set_rows import journal_path

from ..tiny_base import pipeline_of
from .conftest import Workshop, contents

DRAW = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32"]


@pytest.fixture(scope="module")
def drawn(trained: Path, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight unscreened images of the adapter, measured against the photographs."""
    out = tmp_path_factory.mktemp("generated") / "phase_I"
    assert run([*DRAW, "--adapter", str(trained), "--out", str(out)]) == 0
    real = ["--real", str(workshop.photographs), "--phase", "I"]
    assert run(["evaluate", "--generated", str(out), *real, "--base", str(workshop.base)]) == 0
    return out


@pytest.fixture(scope="module")
def untuned(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the base alone."""
    out = tmp_path_factory.mktemp("generated") / "base"
    words = ["--base", str(workshop.base), "--prompt", SHORT_PROMPT, "--label", "I", "--out", str(out)]
    assert run([*DRAW, *words]) == 0
    assert run(["evaluate", "--generated", str(out), "--real", str(workshop.photographs), "--phase", "I"]) == 0
    return out


def images_of(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted((folder / "images").glob("*.png")):
        yield np.asarray(Image.open(path))


def test_phantoms_are_an_image_folder(workshop: Workshop) -> None:
    rows = list(csv.DictReader((workshop.photographs / "metadata.csv").open()))
    assert len(rows) == 24
    assert all((workshop.photographs / row["file_name"]).is_file() for row in rows)
    assert {row["phase"] for row in rows} == {"I"}
    assert len({row["group_id"] for row in rows}) == 24


def test_a_run_folder(trained: Path) -> None:
    """run.json, a row for each step, evaluations of both kinds of weights, sample grids, sound checkpoints."""
    record = read_json(trained / "run.json")
    assert record["status"] == "finished"
    assert record["phases"] == ["I"]
    assert record["plan"]["steps"] == 12
    assert record["data"]["counts"]["I"] == {"train": 20, "validation": 4, "holdout": 0}
    assert record["config"]["mixed_precision"] == "no"
    assert record["parameters"]["trainable"] < record["parameters"]["total"] / 20
    assert [row["step"] for row in read_jsonl(trained / "train.jsonl")] == list(range(1, 13))
    evaluations = [(row["step"], row["weights"]) for row in read_jsonl(trained / "eval.jsonl")]
    assert evaluations == [(step, weights) for step in (5, 10, 12) for weights in ("raw", "ema")]
    assert {path.name for path in (trained / "samples").iterdir()} == {
        f"step_{step:06d}_{weights}.png" for step, weights in evaluations
    }
    found = newest_sound(trained / "checkpoints")
    assert not found.faults
    newest = found.folder
    assert newest is not None
    assert newest.name == "epoch_0005_step_000012"
    folders = [path for path in (trained / "checkpoints").iterdir() if path.is_dir()]
    assert [fault(folder) for folder in folders] == [None] * len(folders)
    assert sum((folder / "state.safetensors").exists() for folder in folders) in (3, 4), "three last, and the best"
    assert all((folder / "ema" / ADAPTER_FILE).is_file() for folder in folders), "adapters are all kept"


def test_the_adapter_moved(trained: Path) -> None:
    best = read_json(trained / "run.json")["best"]
    first = next(read_jsonl(trained / "eval.jsonl"))["metrics"][0]["value"]
    assert best["metric"] == "val_loss"
    assert best["value"] < first


def test_the_same_command_again_changes_nothing(
    trained: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    assert run(workshop.train(trained)) == 0
    printed = capsys.readouterr().out
    assert "holds this run, finished; nothing is left to train" in printed
    assert "finished at step 12. Next: woundgen generate" in printed
    assert contents(trained) == before


def test_resuming_without_a_config(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--resume", "latest", "--out", str(trained)]) == 0
    assert "finished at step 12. Next: woundgen generate" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(workshop.train(tmp_path / "out", "--dry-run")) == 0
    said = capsys.readouterr().out
    assert "steps        12" in said
    assert "20 train + 4 validation" in said
    assert not (tmp_path / "out").exists()


def test_a_dry_run_checks_the_run_folder(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(workshop.train(trained, "--dry-run", "--set", "learning_rate=3e-4")) == 0
    assert "holds a run with other settings" in capsys.readouterr().out
    (tmp_path / "notes.txt").write_text("of somebody else")
    assert run(workshop.train(tmp_path, "--dry-run")) == 2
    assert "holds other files" in capsys.readouterr().err


def test_a_run_that_stopped_early_stays_stopped(workshop: Workshop, tmp_path: Path) -> None:
    """At a rate that moves nothing the second evaluation is no better, and patience is one."""
    words = workshop.train(
        tmp_path / "run",
        *("--set", "early_stopping_patience=1", "--set", "learning_rate=1e-12", "--set", "sample_images=0"),
    )
    assert run(words) == 0
    steps = [row["step"] for row in read_jsonl(tmp_path / "run" / "train.jsonl")]
    assert steps == list(range(1, 11))
    assert run(words) == 0
    assert [row["step"] for row in read_jsonl(tmp_path / "run" / "train.jsonl")] == steps


def test_a_generated_set(drawn: Path) -> None:
    """Images, metadata.csv as classifiers read it, a manifest row for each; nothing of who was photographed."""
    rows = list(csv.DictReader((drawn / "metadata.csv").open()))
    assert [row["file_name"] for row in rows] == [f"images/{index:06d}.png" for index in range(8)]
    assert {row["label"] for row in rows} == {"I"}
    manifest = list(read_jsonl(drawn / "manifest.jsonl"))
    assert [row["index"] for row in manifest] == list(range(8))
    assert all(row["accepted"] and row["prompt"] == SHORT_PROMPT for row in manifest)
    assert all(image.shape == (32, 32, 3) for image in images_of(drawn))
    assert "phantom-" not in (drawn / "manifest.jsonl").read_text() + (drawn / "metadata.csv").read_text()


def test_drawing_again_changes_nothing(drawn: Path, trained: Path) -> None:
    before = contents(drawn)
    assert run([*DRAW, "--adapter", str(trained), "--out", str(drawn)]) == 0
    assert contents(drawn) == before


def test_an_unfinished_set_goes_on(drawn: Path, trained: Path, tmp_path: Path) -> None:
    """As after a kill in the second block: its images are drawn anew, and are the same."""
    out = tmp_path / "set"
    assert run([*DRAW, "--adapter", str(trained), "--out", str(out)]) == 0
    manifest = journal_path(out).read_text().splitlines(keepends=True)
    journal_path(out).write_text("".join(manifest[:5]) + manifest[5][:20])
    (out / "images" / "000006.png").unlink()
    assert run([*DRAW, "--adapter", str(trained), "--out", str(out)]) == 0
    assert journal_path(out).read_text().splitlines(keepends=True) == manifest
    for ours, theirs in zip(images_of(out), images_of(drawn), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_adapter_draws_other_images_than_the_base(drawn: Path, untuned: Path) -> None:
    pairs = zip(images_of(drawn), images_of(untuned), strict=True)
    assert all(np.abs(a.astype(int) - b.astype(int)).mean() > 0.1 for a, b in pairs)


def test_diffusers_opens_the_runs_adapter(trained: Path, fresh_base: BaseModel) -> None:
    pipeline = pipeline_of(fresh_base)
    best = (trained / "checkpoints" / "best").read_text().strip()
    pipeline.load_lora_weights(trained / "checkpoints" / best / "ema")
    assert pipeline.unet.peft_config["default_0"].lora_alpha == 4, "alpha = rank: the scale is in B"


def test_numbers_with_all_that_they_need(drawn: Path) -> None:
    """n, an interval or why none, direction, network and floor of each metric; the ceiling where a base is named."""
    record = read_json(drawn / "metrics.json")
    rows = {(row["metric"], row["label"]): row for row in record["rows"]}
    for metric in ("fd", "kid", "ssim", "perceptual"):
        assert {(metric, ""), (metric, "floor")} <= rows.keys()
        assert rows[metric, ""]["interval"]
        assert rows[metric, ""]["better"] in ("lower", "none")
        assert np.isfinite(rows[metric, ""]["value"])
    assert rows["kid", ""]["n"] == [8, 24]
    assert rows["kid", ""]["network"] == "embedded"
    assert ("kid", "ceiling") in rows


def test_pages(trained: Path, drawn: Path, tmp_path: Path) -> None:
    """One page to share, which names no patient; the private one only where it is asked for."""
    words = ["report", "--run", str(trained), "--generated", str(drawn), "--out"]
    assert run([*words, str(tmp_path / "open")]) == 0
    assert {path.name for path in (tmp_path / "open").iterdir()} == {
        "report.html",
        "TRAINING_REPORT_phase_I.md",
        ".woundgen_report.json",
    }
    page = (tmp_path / "open" / "report.html").read_text()
    assert "data:image/" in page
    assert "phantom-" not in page
    assert run([*words, str(tmp_path / "both"), "--private"]) == 0
    assert (tmp_path / "both.private" / "report_private.html").is_file()
    assert "phantom-" not in (tmp_path / "both" / "report.html").read_text()


def test_side_by_side(drawn: Path, untuned: Path, tmp_path: Path) -> None:
    assert run(["compare", str(drawn), str(untuned), "--out", str(tmp_path / "reports")]) == 0
    text = (tmp_path / "reports" / "QUALITY_COMPARISON.md").read_text()
    assert "phase I (1)" in text
    assert "phase I (2)" in text
    json.loads((tmp_path / "reports" / "quality_comparison.json").read_text())
