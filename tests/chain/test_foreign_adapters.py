"""`generate --adapter` with files that woundgen did not write."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya
from PIL import Image
from safetensors.torch import load_file, save_file

from woundgen.cli import run
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_FILE

from .conftest import Workshop

DRAW = ("--count", "1", "--block", "1", "--steps", "2", "--size", "32", "--guidance", "1.5")


@pytest.fixture
def kohya_file(trained: Path, tmp_path: Path) -> Path:
    """The run's adapter in kohya's names and without woundgen's metadata."""
    (file,) = sorted(trained.glob(f"checkpoints/*/ema/{ADAPTER_FILE}"))[-1:]
    path = tmp_path / "theirs.safetensors"
    save_file({key: value.contiguous() for key, value in convert_state_dict_to_kohya(load_file(file)).items()}, path)
    return path


def picture(folder: Path) -> np.ndarray:
    return np.asarray(Image.open(folder / "images" / "000000.png")).astype(int)


def test_a_kohya_file_draws_the_runs_images(
    trained: Path, workshop: Workshop, kohya_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = read_json(sorted(trained.glob("checkpoints/*/ema/woundgen_adapter.json"))[-1])["prompt"]
    base = ["--base", str(workshop.base)]
    assert run(["generate", "--adapter", str(trained), *DRAW, "--out", str(tmp_path / "ours")]) == 0
    words = ["generate", "--adapter", str(kohya_file), *base, "--prompt", prompt, *DRAW]
    assert run([*words, "--out", str(tmp_path / "theirs")]) == 0
    assert run(["generate", *base, "--prompt", prompt, *DRAW, "--out", str(tmp_path / "bare")]) == 0
    assert np.abs(picture(tmp_path / "ours") - picture(tmp_path / "theirs")).max() <= 1
    assert np.abs(picture(tmp_path / "ours") - picture(tmp_path / "bare")).max() > 3
    capsys.readouterr()
    assert run([*words[: -len(DRAW) - 2], *DRAW, "--out", str(tmp_path / "silent")]) == 2
    assert "Give --prompt" in capsys.readouterr().err
    assert not (tmp_path / "silent").exists()


def test_another_base_of_the_same_shape_is_recorded(
    trained: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(workshop.base, tmp_path / "other"))
    weights = other / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor * 1.001 for name, tensor in load_file(weights).items()}, weights)
    words = ["generate", "--adapter", str(trained), "--base", str(other), *DRAW, "--out", str(tmp_path / "set")]
    assert run(words) == 0
    assert "warning" in capsys.readouterr().out
    recipe = read_json(tmp_path / "set" / "set.json")
    assert recipe["trained_on"] == [read_json(trained / "run.json")["base"]["digest"]]
    assert "another base model" in (tmp_path / "set" / "README.md").read_text()
    assert run(words) == 0, "the same command goes on"


def test_a_foreign_adapter_is_screened_audited_and_compared(
    workshop: Workshop, kohya_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a file without its run all photographs count as trained on; which were not, the table may say."""
    real, base = str(workshop.photographs), str(workshop.base)
    draw = ["--adapter", str(kohya_file), "--base", base, "--prompt", "a wound", "--real", real, "--policy", "report"]
    shape = ["--count", "8", "--block", "8", "--steps", "2", "--size", "32", "--guidance", "1.5"]
    assert run(["generate", *draw, *shape, "--out", str(tmp_path / "no_label")]) == 2
    assert "Give --label I, P or R" in capsys.readouterr().err
    out = tmp_path / "set"
    assert run(["generate", *draw, *shape, "--label", "I", "--out", str(out)]) == 0
    assert "held against all photographs" in capsys.readouterr().out
    assert read_json(out / "set.json")["screening"]["networks"]
    assert run(["evaluate", "--generated", str(out), "--real", real, "--phase", "I", "--base", base]) == 0

    data = Path(shutil.copytree(workshop.photographs, tmp_path / "split"))
    rows = list(csv.DictReader((data / "metadata.csv").open()))
    with (data / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, [*rows[0], "split"])
        writer.writeheader()
        sides = ["holdout"] * 6 + ["validation"] * 4 + ["train"] * 14
        writer.writerows({**row, "split": side} for row, side in zip(rows, sides, strict=True))
    words = ["audit", "--generated", str(out), "--real", str(data), "--base", base]
    assert run([*words, "--adapter", str(kohya_file), "--out", str(tmp_path / "audit")]) == 0
    found = read_json(tmp_path / "audit" / "privacy.json")
    assert (found["membership"]["trained"], found["membership"]["held_out"]) == (14, 6)
    assert (found["nearness"]["trained"], found["nearness"]["held_out"]) == (14, 10)
    capsys.readouterr()
    assert run([*words, "--out", str(tmp_path / "none")]) == 2
    assert "drew the set" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_foreign_adapters_are_compared(
    trained: Path, workshop: Workshop, kohya_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that names neither prompt nor base beside one that names both: the same images, so no difference at all."""
    notes = read_json(sorted(trained.glob("checkpoints/*/ema/woundgen_adapter.json"))[-1])
    words = ["compare", "--adapter", str(trained), "--adapter", str(kohya_file), "--real", str(workshop.photographs),
             "--phase", "I", "--base", str(workshop.base), "--count", "8", "--size", "32", "--steps", "2", "--guidance",
             "1.5", "--weights", "ema", "--negative-prompt", ""]  # fmt: skip
    assert run([*words, "--out", str(tmp_path / "silent")]) == 2
    assert "Give --prompt" in capsys.readouterr().err
    assert not list(tmp_path.glob("silent*")), "nothing is drawn of the first either"
    assert run([*words, "--prompt", notes["prompt"], "--out", str(tmp_path / "out")]) == 0
    found = read_json(tmp_path / "out" / "quality_comparison.json")
    assert {one["metric"] for one in found["differences"]} >= {"fd", "kid", "ssim"}
    assert all(abs(one["difference"]["mean"]) < 1e-2 for one in found["differences"])
    assert run(["compare", "a", "b", "--prompt", "a wound", "--out", str(tmp_path / "idle")]) == 2
    assert "--prompt means nothing" in capsys.readouterr().err
