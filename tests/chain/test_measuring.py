"""Measuring through the command line: in training and afterwards, by networks named, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.storage.files import read_json, read_jsonl

from ..random_networks import put_lpips
from .conftest import Workshop, contents

METRICS = {"fd", "kid", "ssim", "perceptual"}


@pytest.fixture(scope="module")
def measured(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that measures as it goes: half of the photographs are held out, so that both sides are enough."""
    out = tmp_path_factory.mktemp("runs") / "phase_I"
    changes = ("metric_images=16", "train_val_split=0.34", "evaluate_every_n_epochs=4")
    assert run(workshop.train(out, *(word for one in changes for word in ("--set", one)))) == 0
    return out


@pytest.fixture(scope="module")
def drawn(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated") / "phase_I"
    words = ["generate", "--count", "8", "--block", "4", "--steps", "2", "--size", "32", "--out", str(out)]
    assert run([*words, "--adapter", str(measured)]) == 0
    return out


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "weights"))


def test_histories_of_raw_and_ema_weights(measured: Path) -> None:
    """FD, KID, SSIM and perceptual distance, each with floor and ceiling, at every evaluation that draws."""
    rows = list(read_jsonl(measured / "eval.jsonl"))
    assert {row["weights"] for row in rows} == {"raw", "ema"}
    for row in rows:
        labels = {(value["metric"], value["label"]) for value in row["metrics"]}
        assert {(metric, label) for metric in METRICS for label in ("", "floor", "ceiling")} <= labels


def test_the_plan_of_evaluation_is_stored(measured: Path) -> None:
    plan = read_json(measured / "run.json")["plan"]
    assert (plan["evaluation_images"], plan["evaluation_sampler_steps"]) == (16, 2)
    assert plan["evaluation_share"] > 0
    assert plan["evaluation_draw_every"] % plan["evaluate_every"] == 0


def test_the_best_is_a_saved_checkpoint_that_was_measured(measured: Path) -> None:
    """Chosen by FD; the digest in eval.jsonl is that of the adapter in the checkpoint."""
    best = read_json(measured / "run.json")["best"]
    assert best["metric"] == "fd"
    notes = read_json(measured / "checkpoints" / best["checkpoint"] / best["weights"] / "woundgen_adapter.json")
    rows = [row for row in read_jsonl(measured / "eval.jsonl") if row["weights"] == best["weights"]]
    values = {
        row["digest"]: value["value"]
        for row in rows
        for value in row["metrics"]
        if value["metric"] == "fd" and not value["label"]
    }
    assert values[notes["weights_digest"]] == best["value"] == min(values.values())
    assert best["digest"] == notes["weights_digest"]
    assert len(values) == len(rows), "each evaluation has weights of its own"


def test_a_small_share_draws_less(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = workshop.train(tmp_path / "out", "--dry-run", "--set", "metric_images=20", "--set", "evaluation_share=0.5")
    assert run(words) == 0
    said = capsys.readouterr().out
    assert "16 images to measure" in said
    assert "images for metrics 16 instead of 20" in said


def test_evaluating_a_run_shows_the_photographs_it_trained_on(drawn: Path, measured: Path, tmp_path: Path) -> None:
    words = ["evaluate", "--generated", str(drawn), "--run", str(measured), "--phase", "I"]
    assert run([*words, "--out", str(tmp_path / "m.json")]) == 0
    record = read_json(tmp_path / "m.json")
    labels = {(row["metric"], row["label"]) for row in record["rows"]}
    assert {(metric, "training") for metric in METRICS} <= labels
    assert [one["name"] for one in record["networks"]] == ["embedded"]
    assert list((measured / "cache").glob("*.npy")), "features of photographs stay with the run"


def evaluate(generated: Path, real: Path, out: Path, *more: str) -> int:
    words = ["evaluate", "--generated", str(generated), "--real", str(real), "--phase", "I", "--out", str(out)]
    return run([*words, *more])


@pytest.mark.parametrize("name", ["inception", "lpips-alex", "dinov2-small"])
def test_networks_that_were_not_fetched(
    name: str, drawn: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(drawn, workshop.photographs, tmp_path / "m.json", "--features", name) == 2
    assert f"woundgen fetch {name}" in capsys.readouterr().err
    assert run(workshop.train(tmp_path / "out", "--set", f"features=[{name}]")) == 2
    assert f"woundgen fetch {name}" in capsys.readouterr().err
    assert contents(tmp_path) == {}


@pytest.fixture
def random_alex(tmp_path: Path, no_weights: None) -> None:
    put_lpips(tmp_path / "weights", "lpips-alex")


@pytest.mark.usefixtures("random_alex")
@pytest.mark.slow
def test_a_fetched_network_measures_everywhere(
    drawn: Path, measured: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """evaluate, train and compare: LPIPS with its grade beside it."""
    for seed in range(16):
        for name, offset in (("drawn", 0), ("real", 50)):
            png(tmp_path / name, f"{seed:02}.png", noise(offset + seed))
    both = ["--features", "lpips-alex", "--features", "embedded"]
    assert evaluate(tmp_path / "drawn", tmp_path / "real", tmp_path / "m.json", *both) == 0
    said = capsys.readouterr().out
    assert "(lpips-alex)" in said
    assert "< 0.30" in said
    rows = read_json(tmp_path / "m.json")["rows"]
    assert {row["network"] for row in rows if row["metric"] == "lpips"} == {"lpips-alex"}
    features = ("--set", "features=[embedded,lpips-alex]", "--set", "metric_images=16")
    assert run(workshop.train(tmp_path / "run", *features, "--set", "max_steps=2")) == 0
    histories = {value["metric"] for row in read_jsonl(tmp_path / "run" / "eval.jsonl") for value in row["metrics"]}
    assert {"fd", "ssim", "perceptual", "lpips"} <= histories
    words = [
        "compare",
        "--adapter",
        str(measured),
        "--guidance",
        "1",
        "--guidance",
        "2",
        "--steps",
        "1",
        "--phase",
        "I",
    ]
    words += ["--real", str(workshop.photographs), "--count", "8", "--size", "32", "--features", "lpips-alex"]
    assert run([*words, "--out", str(tmp_path / "reports")]) == 0
    differences = read_json(tmp_path / "reports" / "quality_comparison.json")["differences"]
    assert {one["metric"] for one in differences} == {"lpips", "ssim"}


def png(folder: Path, name: str, pixels: np.ndarray) -> None:
    (folder / "I").mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / "I" / name)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def test_a_copy_of_the_photographs_is_no_generated_set(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(10):
        png(tmp_path / "one", f"{seed}.png", noise(seed))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert evaluate(tmp_path / "one", tmp_path / "two", tmp_path / "m.json") == 2
    assert "All 10 generated images are among the photographs" in capsys.readouterr().err
    assert evaluate(tmp_path / "one", tmp_path / "link", tmp_path / "m.json") == 2
    assert "same folder" in capsys.readouterr().err
    assert not (tmp_path / "m.json").exists()


def test_a_wrong_value_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0..1 written as 0..255: most images nearly black; a few dark ones among others are not refused."""
    for seed in range(10):
        png(tmp_path / "real", f"{seed}.png", noise(seed))
        png(tmp_path / "black", f"{seed}.png", noise(50 + seed) // 255)
        png(tmp_path / "some", f"{seed}.png", noise(50 + seed) // (255 if seed < 3 else 1))
    assert evaluate(tmp_path / "black", tmp_path / "real", tmp_path / "m.json") == 2
    assert "10 of 10 generated images are nearly black" in capsys.readouterr().err
    assert evaluate(tmp_path / "some", tmp_path / "real", tmp_path / "m.json") == 0


def test_jpeg_against_png_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By content: the photographs are named .png."""
    for seed in range(10):
        png(tmp_path / "drawn", f"{seed}.png", noise(seed))
        png(tmp_path / "plain", f"{seed}.png", noise(50 + seed))
        Image.fromarray(noise(50 + seed)).save(tmp_path / "plain" / "I" / f"{seed}.png")
        (tmp_path / "camera" / "I").mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(50 + seed)).save(tmp_path / "camera" / "I" / f"{seed}.png", format="JPEG")
    assert evaluate(tmp_path / "drawn", tmp_path / "camera", tmp_path / "m.json") == 0
    assert "the photographs show traces of lossy compression" in capsys.readouterr().out
    assert evaluate(tmp_path / "drawn", tmp_path / "plain", tmp_path / "m.json") == 0
    assert "lossy" not in capsys.readouterr().out


def test_any_folder_and_a_sets_own_table(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    """A plain folder of the same images, and metadata.csv or manifest.jsonl named itself: the same numbers."""
    shutil.copytree(drawn / "images", tmp_path / "plain")
    found = []
    for name, place in enumerate((drawn, drawn / "manifest.jsonl", drawn / "metadata.csv", tmp_path / "plain")):
        assert evaluate(place, workshop.photographs, tmp_path / f"{name}.json") == 0
        rows = read_json(tmp_path / f"{name}.json")["rows"]
        found.append({(row["metric"], row["label"]): row["value"] for row in rows if row["label"] != "ceiling"})
    assert found[0] == found[1] == found[2] == found[3]


def test_an_import_is_a_real_set(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    """The manifest of `data import` names the same photographs: the same numbers as their own folder gives."""
    imported, found = tmp_path / "imported", []
    assert run(["data", "import", str(workshop.photographs), "--out", str(imported)]) == 0
    for name, real in (("from_folder", workshop.photographs), ("from_import", imported)):
        assert evaluate(drawn, real, tmp_path / f"{name}.json") == 0
        rows = read_json(tmp_path / f"{name}.json")["rows"]
        found.append({(row["metric"], row["label"]): (row["value"], row["low"], row["high"]) for row in rows})
    assert found[0] == found[1]


def test_k_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """24 images: halves of 12. k = 12 is too many and said; at other k the scores differ."""
    for seed in range(24):
        png(tmp_path / "drawn", f"{seed:02}.png", noise(seed))
        png(tmp_path / "real", f"{seed:02}.png", noise(50 + seed))
    found = {}
    for k in (2, 5, 12):
        assert evaluate(tmp_path / "drawn", tmp_path / "real", tmp_path / f"{k}.json", "--k", str(k)) == 0
        rows = read_json(tmp_path / f"{k}.json")["rows"]
        found[k] = [row["value"] for row in rows if row["metric"] == "precision"]
    assert found[12] == []
    assert "left out: too few images for k = 12" in capsys.readouterr().out
    assert found[2] != found[5]
