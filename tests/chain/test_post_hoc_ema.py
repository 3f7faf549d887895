"""Snapshots of a run give EMA of any length, which `generate` and `compare` draw from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.adapters.power_ema import decay_at, gamma_of
from woundgen.cli import run
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_FILE

from .conftest import Workshop, contents

EACH_STEP = ("--set", "save_every_n_epochs=1", "--set", "batch_size_per_gpu=24", "--set", "gradient_accumulation=1")
DRAW = ("--count", "2", "--size", "32", "--steps", "2", "--block", "2")


@pytest.fixture(scope="module")
def saved_often(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A save after every one of 8 steps."""
    out = tmp_path_factory.mktemp("runs") / "often"
    more = ("--set", "max_steps=8", "--set", "evaluate_every_n_epochs=9", "--set", "sample_images=0")
    assert run(workshop.train(out, *EACH_STEP, *more)) == 0
    return out


@pytest.mark.parametrize("sigma", [0.03, 0.2])
def test_a_length_is_the_average_of_the_weights_after_each_step(saved_often: Path, sigma: float) -> None:
    """By the paper's recursion over the raw adapters of all steps."""
    folders = sorted(path for path in (saved_often / "checkpoints").glob("epoch_*") if path.is_dir())
    assert len(folders) == 8
    expected: dict[str, torch.Tensor] = {}
    for update, folder in enumerate(folders, start=1):
        beta = decay_at(update, gamma=gamma_of(sigma))
        raw = load_file(folder / "raw" / ADAPTER_FILE)
        expected = {key: beta * expected.get(key, torch.zeros(())) + (1 - beta) * raw[key].double() for key in raw}
    found = adapter_of(folders[-1], weights=f"ema@{sigma}")
    for key, tensor in load_file(found.file).items():
        torch.testing.assert_close(tensor.double(), expected[key], rtol=1e-4, atol=1e-6)
    notes = read_json(found.file.parent / "woundgen_adapter.json")
    assert (notes["ema_length"], notes["snapshots"]) == (sigma, 16)
    assert notes["ema_fit_error"] < 1e-3


@pytest.mark.slow
def test_generate_and_compare_take_a_length(saved_often: Path, workshop: Workshop, tmp_path: Path) -> None:
    for weights in ("ema@0.02", "ema@0.25", "raw"):
        words = ["generate", "--adapter", str(saved_often), "--weights", weights, *DRAW]
        assert run([*words, "--out", str(tmp_path / weights)]) == 0
    drawn = [contents(tmp_path / weights / "images") for weights in ("ema@0.02", "ema@0.25", "raw")]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
    words = ["compare", "--adapter", str(saved_often), "--weights", "ema@0.02", "--weights", "ema@0.25"]
    more = ["--real", str(workshop.photographs), "--phase", "I", "--base", str(workshop.base), "--steps", "1"]
    assert run([*words, *more, "--count", "12", "--size", "32", "--out", str(tmp_path / "reports")]) == 0
    compared = read_json(tmp_path / "reports" / "quality_comparison.json")
    assert [one["name"] for one in compared["candidates"]] == ["ema@0.02", "ema@0.25"]


def test_without_snapshots_it_says_what_to_do(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    off = ("--set", "post_hoc_ema=false", "--set", "max_steps=1", "--set", "sample_images=0")
    assert run(workshop.train(tmp_path / "run", *off)) == 0
    words = ["generate", "--adapter", str(tmp_path / "run"), *DRAW, "--out", str(tmp_path / "set"), "--weights"]
    for weights, named in (("ema@0.1", "post_hoc_ema"), ("ema@0.9", "0.01 to 0.28"), ("ema@x", "ema@0.1")):
        assert run([*words, weights]) == 2
        assert named in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
