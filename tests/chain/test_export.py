"""`woundgen export`, opened by diffusers; what a format has no place for is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from woundgen.cli import run
from woundgen.models.base import load_base
from woundgen.storage.files import read_json
from woundgen.storage.names import ADAPTER_FILE
from woundgen.workflows.export.modelspec import ModelFacts, modelspec

from ..tiny_base import save_four_levels
from .conftest import METHODS, Workshop

DRAW = ("--count", "1", "--block", "1", "--steps", "2", "--size", "32", "--guidance", "1.5")


def picture(folder: Path) -> np.ndarray:
    return np.asarray(Image.open(folder / "images" / "000000.png")).astype(int)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.fixture(scope="module")
def prompt(trained: Path) -> str:
    return str(read_json(sorted(trained.glob("checkpoints/*/ema/woundgen_adapter.json"))[-1])["prompt"])


@pytest.fixture(scope="module")
def drawn(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("drawn") / "set"
    assert run(["generate", "--adapter", str(trained), *DRAW, "--out", str(out)]) == 0
    return picture(out)


@pytest.mark.parametrize("form", ["diffusers", "kohya", "webui", "comfyui"])
def test_an_exported_lora_draws_the_same(
    form: str, trained: Path, workshop: Workshop, prompt: str, drawn: np.ndarray, tmp_path: Path
) -> None:
    words = ["export", str(trained), "--format", form, "--title", "wounds I", "--out", str(tmp_path / "out")]
    assert run(words) == 0
    (file,) = (tmp_path / "out").glob("*.safetensors")
    assert file.name == (ADAPTER_FILE if form == "diffusers" else "wounds_I.safetensors")
    told = metadata_of(file)
    assert told["modelspec.title"] == "wounds I"
    assert told["modelspec.trigger_phrase"] == prompt
    assert told["modelspec.resolution"] == "32x32"
    assert str(workshop.base) not in json.dumps(told)
    draw = ["generate", "--adapter", str(file), "--base", str(workshop.base), "--prompt", prompt, *DRAW]
    assert run([*draw, "--out", str(tmp_path / "set")]) == 0
    assert np.abs(picture(tmp_path / "set") - drawn).max() <= 1


@pytest.mark.parametrize("form", ["kohya", "webui", "comfyui"])
def test_dora_is_refused_where_readers_compute_it_otherwise(
    form: str, trained: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A1111 scales columns; ComfyUI divides by the lengths of the base's rows: neither draws the run's images."""
    (file,) = sorted(trained.glob(f"checkpoints/*/ema/{ADAPTER_FILE}"))[-1:]
    tensors = load_file(file)
    lengths = {key.replace("lora_B.weight", "lora_magnitude_vector"): torch.ones(len(value))
               for key, value in tensors.items() if "lora_B" in key}  # fmt: skip
    save_file({**tensors, **lengths}, tmp_path / "dora.safetensors")
    words = ["export", str(tmp_path / "dora.safetensors"), "--base", str(workshop.base), "--format", form]
    assert run([*words, "--out", str(tmp_path / "out")]) == 2
    assert "has no place for DoRA" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_merged_folder_is_a_base(trained: Path, prompt: str, drawn: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    assert run(["export", str(trained), "--format", "merged", "--out", str(out)]) == 0
    assert StableDiffusionPipeline.from_pretrained(out).unet is not None
    assert run(["generate", "--base", str(out), "--prompt", prompt, *DRAW, "--out", str(tmp_path / "set")]) == 0
    assert np.abs(picture(tmp_path / "set") - drawn).max() <= 1


@pytest.mark.slow
def test_a_merged_single_file(
    workshop: Workshop, trained: Path, base_folders: dict[str, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Read back by diffusers' converters: the weights of the merged folder. Other levels than SD's are refused."""
    assert run(["export", str(trained), "--format", "single-file", "--out", str(tmp_path / "no")]) == 2
    assert "4 levels of 2 layers" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    base = Path(shutil.copytree(base_folders["v_prediction"], tmp_path / "base"))
    save_four_levels(base)
    settings = [f"base_model={base}", "resolution=64", "max_steps=2", "sample_images=0", "learning_rate=0.05"]
    run_dir = tmp_path / "run"
    assert run(workshop.train(run_dir, *(word for one in settings for word in ("--set", one)))) == 0
    assert run(["export", str(run_dir), "--format", "merged", "--out", str(tmp_path / "folder")]) == 0
    assert run(["export", str(run_dir), "--format", "single-file", "--out", str(tmp_path / "file")]) == 0
    (file,) = (tmp_path / "file").glob("*.safetensors")
    assert metadata_of(file)["modelspec.title"] == "woundgen I"
    shutil.copytree(base, file.with_suffix(""), ignore=shutil.ignore_patterns("*.safetensors"))
    one, folder, bare = (load_base(str(place)) for place in (file, tmp_path / "folder", base))
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(one, part).state_dict(), getattr(folder, part).state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours), part
    changed = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    assert not torch.equal(one.unet.state_dict()[changed], bare.unet.state_dict()[changed])


def test_a_learned_word(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "word"
    settings = [word for setting in (*METHODS["textual_inversion"], "max_steps=2") for word in ("--set", setting)]
    assert run(workshop.train(run_dir, *settings)) == 0
    assert run(["export", str(run_dir), "--format", "webui", "--out", str(tmp_path / "webui")]) == 0
    (file,) = (tmp_path / "webui").glob("*.safetensors")
    assert file.stem in capsys.readouterr().out
    assert metadata_of(file)["modelspec.architecture"].endswith("/textual-inversion")
    assert run(["export", str(run_dir), "--format", "kohya", "--out", str(tmp_path / "kohya")]) == 2
    assert "trained a word" in capsys.readouterr().err
    assert not (tmp_path / "kohya").exists()
    assert run(["export", str(run_dir), "--format", "merged", "--out", str(tmp_path / "merged")]) == 0
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "merged")
    assert len(pipe.tokenizer) == pipe.text_encoder.get_input_embeddings().num_embeddings


def test_nothing_is_overwritten(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    assert run(["export", str(trained), "--format", "kohya", "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_the_embedded_bases_adapters_stay_in_diffusers(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(trained), "--base", "embedded", "--format", "comfyui", "--out", str(tmp_path / "out")]
    assert run(words) == 2
    assert "the embedded base is woundgen's own" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("width", "second"), [(768, "False"), (1024, "True"), (2048, "False")])
def test_a1111_lists_a_file_beside_its_own_base(width: int, second: str) -> None:
    """A1111, Lora/network.py, detect_version: SDXL by ss_base_model_version, SD 2 by ss_v2 "True", else SD 1."""
    facts = ModelFacts(title="t", base="b", base_digest="d", width=width, kind="lora", side=None, trigger="",
                       prediction="epsilon")  # fmt: skip
    told = modelspec(facts)
    assert told["ss_v2"] == second
    assert told["ss_base_model_version"].startswith("sdxl_") == (width == 2048)
