"""Base, adapters and sets in diffusers as its documentation uses it: no dtype argument, nothing of woundgen."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from woundgen.cli import run
from woundgen.models.base import EMBEDDED_FOLDER, load_base
from woundgen.storage.names import ADAPTER_FILE

from ..tiny_base import pipeline_of

README = Path(__file__).parents[2] / "README.md"


def run_script(script: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> np.ndarray:
    """The picture that the set's own program writes into `folder`."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    runpy.run_path(str(script), run_name="__main__")
    (picture,) = folder.glob("*.png")
    return np.asarray(Image.open(picture))


def levels_apart(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second).max())


def test_the_embedded_base_loads_in_one_precision() -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(EMBEDDED_FOLDER)
    assert {part.dtype for part in (pipe.unet, pipe.vae, pipe.text_encoder)} == {torch.float32}


def test_the_program_of_a_set_draws_its_first_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    words = ["generate", "--base", "embedded", "--prompt", "photograph of a wound", "--count", "1", "--block", "1"]
    assert run([*words, "--steps", "3", "--guidance", "2", "--size", "64", "--out", str(out)]) == 0
    script = out / "draw_with_diffusers.py"
    assert script.read_text() in (out / "README.md").read_text()
    (work := tmp_path / "work").mkdir()
    drawn = run_script(script, monkeypatch, work, str(EMBEDDED_FOLDER))
    assert drawn.std() > 5
    assert levels_apart(drawn, np.asarray(Image.open(out / "images" / "000000.png"))) <= 2


@pytest.mark.parametrize("sampler", ["dpmsolver++", "ddim", "euler"])
def test_with_an_adapter_at_half_strength(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, base_folders: dict[str, Path]
) -> None:
    pipeline_of(load_base(str(base_folders["v_prediction"]))).save_pretrained(tmp_path / "base")
    out = tmp_path / "set"
    words = ["generate", "--adapter", f"{trained}*0.5", "--count", "1", "--block", "1", "--steps", "4"]
    assert run([*words, "--sampler", sampler, "--guidance", "3", "--size", "32", "--out", str(out)]) == 0
    (file,) = sorted(trained.glob(f"checkpoints/*/ema/{ADAPTER_FILE}"))[-1:]
    (work := tmp_path / "work").mkdir()
    drawn = run_script(out / "draw_with_diffusers.py", monkeypatch, work, str(tmp_path / "base"), str(file))
    assert levels_apart(drawn, np.asarray(Image.open(out / "images" / "000000.png"))) <= 2


def test_an_a1111_embedding_is_named_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file holds rows without a word; the prompt says `woundstyle`, as the set's prompt does."""
    rows = load_base("embedded").text_encoder.get_input_embeddings().weight[40:42]
    file = tmp_path / "woundstyle.safetensors"
    save_file({"emb_params": rows.detach().float() * 3}, file)
    out = tmp_path / "set"
    words = ["generate", "--adapter", str(file), "--base", "embedded", "--prompt", "woundstyle in a wound"]
    shape = ["--count", "1", "--block", "1", "--steps", "3", "--guidance", "2", "--size", "64"]
    assert run([*words, *shape, "--out", str(out)]) == 0
    (work := tmp_path / "work").mkdir()
    drawn = run_script(out / "draw_with_diffusers.py", monkeypatch, work, str(EMBEDDED_FOLDER), str(file))
    assert levels_apart(drawn, np.asarray(Image.open(out / "images" / "000000.png"))) <= 2


def test_readmes_program_runs(trained: Path, tmp_path: Path, base_folders: dict[str, Path]) -> None:
    """With the base and the adapter of this test; on the embedded base the first lines run as they stand."""
    programs = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.S | re.M)
    (program,) = [text for text in programs if "StableDiffusionPipeline" in text]
    before, adapter, after = re.split(r"(pipe\.load_lora_weights.*\n)", program)
    found: dict[str, object] = {}
    exec(compile(before + after.replace("25", "2").replace("128", "64"), "README.md", "exec"), found)
    assert found["image"].size == (64, 64)  # type: ignore[attr-defined]
    pipeline_of(load_base(str(base_folders["v_prediction"]))).save_pretrained(tmp_path / "base")
    folder = sorted(trained.glob("checkpoints/*/ema"))[-1]
    before = re.sub(r"from_pretrained\(.*\)", f"from_pretrained({str(tmp_path / 'base')!r})", before)
    adapter = re.sub(r'".*"', repr(os.fspath(folder)), adapter)
    exec(compile(before + adapter + after.replace("25", "2").replace("128", "32"), "README.md", "exec"), found)
    assert found["image"].size == (32, 32)  # type: ignore[attr-defined]
