"""`woundgen compare --adapter`: drawn on the same seeds, measured, and compared in pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import private_folder
from woundgen.workflows.evaluate.sweep import Variant, name_of, variants_of

from .conftest import Workshop, contents

DRAW = ["--count", "12", "--size", "32"]
TWO = ["--adapter", "{run}", "--guidance", "2", "--guidance", "3"]


def compare(trained: Path, workshop: Workshop, out: Path, *more: str) -> int:
    words = ["compare", "--adapter", str(trained), "--real", str(workshop.photographs), "--phase", "I"]
    return run([*words, "--base", str(workshop.base), *DRAW, "--out", str(out), *more])


@pytest.fixture(scope="module")
def swept(trained: Path, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports")
    more = ("--guidance", "1", "--guidance", "5", "--weights", "ema", "--weights", "raw", "--steps", "2")
    assert compare(trained, workshop, out, *more) == 0
    return out


def test_every_combination_is_drawn_on_the_same_seeds(swept: Path) -> None:
    names = ["ema_guidance_1", "ema_guidance_5", "raw_guidance_1", "raw_guidance_5"]
    sets = private_folder(swept) / "sets"
    folders = {path.name for path in sets.iterdir()}
    assert sorted(name for name in folders if not name.endswith(".private")) == names
    seeds = [[row["seed"] for row in read_jsonl(sets / name / "manifest.jsonl")] for name in names]
    assert seeds == [seeds[0]] * 4
    assert len(seeds[0]) == 12
    first = [np.asarray(Image.open(next((sets / name / "images").glob("*0.png")))) for name in names]
    assert all(np.any(first[0] != other) for other in first[1:])


def test_differences_are_measured_in_pairs(swept: Path) -> None:
    found = json.loads((swept / "quality_comparison.json").read_text())
    assert found["reference"] == "ema, guidance 1"
    differences = {(one["candidate"], one["metric"]): one["difference"] for one in found["differences"]}
    assert len(differences) == 3 * 4
    for difference in differences.values():
        assert difference["low"] <= difference["mean"] <= difference["high"]
        assert 0 < difference["p"] <= 1
        assert "over seeds" in difference["text"]
    values = {
        (one["name"], row["metric"]): row["value"]
        for one in found["candidates"]
        for row in one["rows"]
        if row["label"] == ""
    }
    for metric in ("ssim", "perceptual", "kid"):
        candidate, reference = values["raw, guidance 5", metric], values["ema, guidance 1", metric]
        assert differences["raw, guidance 5", metric]["mean"] == pytest.approx(candidate - reference, abs=1e-9)
    labels = {row["label"] for one in found["candidates"] for row in one["rows"]}
    assert labels == {"", "floor", "ceiling"}


def test_the_same_command_again_draws_nothing_new(swept: Path, trained: Path, workshop: Workshop) -> None:
    before = contents(private_folder(swept) / "sets" / "raw_guidance_5" / "images")
    more = ("--guidance", "1", "--guidance", "5", "--weights", "ema", "--weights", "raw", "--steps", "2")
    assert compare(trained, workshop, swept, *more) == 0
    assert contents(private_folder(swept) / "sets" / "raw_guidance_5" / "images") == before


def test_pages(swept: Path) -> None:
    text = (swept / "QUALITY_COMPARISON.md").read_text()
    assert "delete-fold" in text
    assert "p = " in text
    assert "phantom-" not in text
    assert (swept / "quality_comparison.html").read_text().count("data:image/jpeg") == 0
    private = private_folder(swept) / "quality_comparison_private.html"
    assert private.read_text().count("data:image/jpeg") == 4 * 12
    assert private.stat().st_mode & 0o077 == 0
    assert private.parent.stat().st_mode & 0o077 == 0
    assert not any(swept.glob("**/*.png"))


def test_checkpoints_of_a_run(trained: Path, workshop: Workshop, tmp_path: Path) -> None:
    names = [
        name_of(one, found) for found in [variants_of([trained], [], [], [], every_checkpoint=True)] for one in found
    ]
    assert names == sorted(path.name for path in (trained / "checkpoints").glob("epoch_*") if path.is_dir())
    places = sorted((trained / "checkpoints").glob("epoch_*"))[:2]
    assert compare(places[0], workshop, tmp_path / "out", "--adapter", str(places[1]), "--steps", "1") == 0
    assert read_json(tmp_path / "out" / "quality_comparison.json")["reference"] == places[0].name


def test_names_say_what_varies() -> None:
    variants = [Variant(Path(f"runs/{run}"), "ema", scale, 20) for run in ("a", "b") for scale in (1.0, 2.5)]
    assert [name_of(one, variants) for one in variants] == [
        "a, guidance 1", "a, guidance 2.5", "b, guidance 1", "b, guidance 2.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], "--adapter"),
        (["x", "y", "--guidance", "2"], "--guidance means nothing"),
        (
            [*TWO[:4], "--guidance", "2", "--real", "{run}", "--phase", "I"],
            "two or more",
        ),
        ([*TWO, "--phase", "I"], "--real"),
        (
            [*TWO, "--real", "{run}", "--phase", "Q"],
            "--phase 'Q'",
        ),
    ],
)
def test_comparisons_that_mean_nothing(
    words: list[str], names: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [word.format(run=trained) for word in words]
    assert run(["compare", *filled, "--out", str(tmp_path / "out")]) == 2
    assert names in capsys.readouterr().err
    assert contents(tmp_path) == {}
