"""A base in one file gives the base that was put into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from woundgen.errors import UserError
from woundgen.models.base import BaseModel, encode_prompts, load_base
from woundgen.models.original_layout import single_file
from woundgen.models.single_file import kind_of
from woundgen.models.sources import PINNED, snapshot

from ...tiny_base import save_four_levels


@pytest.fixture(scope="module")
def whole(base_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with the levels and layers of SD 1, narrow."""
    folder = Path(shutil.copytree(base_folders["epsilon"], tmp_path_factory.mktemp("sd") / "whole"))
    save_four_levels(folder)
    return folder


@pytest.fixture(scope="module")
def expected(whole: Path) -> BaseModel:
    return load_base(str(whole))


@pytest.fixture
def file(expected: BaseModel, tmp_path: Path) -> Path:
    save_file(single_file(expected), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def configs(whole: Path, tmp_path: Path) -> Path:
    """As the hub's cache would have them, without any weights."""
    folder = tmp_path / "model"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_the_base_that_was_put_in(file: Path, configs: Path, expected: BaseModel) -> None:
    base = load_base(str(file))
    assert "read as sd15" in base.note
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(base, part).state_dict(), getattr(expected, part).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours), part
    assert torch.equal(encode_prompts(base, ["a wound"]), encode_prompts(expected, ["a wound"]))
    assert (base.prediction, base.latent_scale) == (expected.prediction, expected.latent_scale)


def test_open_clips_text_encoder_is_what_diffusers_reads(expected: BaseModel) -> None:
    """SD 2's: the same encoder written in OpenCLIP's names and read back by diffusers' converter."""
    config = CLIPTextConfig.from_dict(expected.text_encoder.config.to_dict() | {"hidden_act": "gelu"})
    torch.manual_seed(4)
    encoder = CLIPTextModel(config)
    written = single_file(replace(expected, text_encoder=encoder))
    assert kind_of(Path("a.safetensors"), written) == "sd21-base"
    read = convert_open_clip_checkpoint(CLIPTextModel(config), dict(written))
    ours = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    theirs = {name.removeprefix("text_model."): value for name, value in read.items()}
    missing = [name for name in ours if name not in theirs and "position_ids" not in name]
    assert not missing
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name in theirs)


def test_other_levels_are_refused(base_folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="4 levels of 2 layers"):
        single_file(load_base(str(base_folders["epsilon"])))


def test_configurations_of_the_kinds_base(
    file: Path, configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder beside the file, those that `woundgen fetch` keeps; else its command."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    place = snapshot(*PINNED["sd15"][0])
    place.parent.mkdir(parents=True)
    configs.rename(place)
    load_base(str(file))
    place.rename(tmp_path / "away")
    with pytest.raises(UserError, match="woundgen fetch sd15"):
        load_base(str(file))


def test_kinds() -> None:
    """By a layer that only files of the kind have; SD 2.1's two by the name alone."""
    layer = "model.transformer.resblocks.0.mlp.c_fc.weight"
    there = torch.zeros(1)
    assert kind_of(Path("a.safetensors"), {f"conditioner.embedders.1.{layer}": there}) == "sdxl"
    assert kind_of(Path("v2-1_512.safetensors"), {f"cond_stage_model.{layer}": there}) == "sd21-base"
    assert kind_of(Path("v2-1_768.safetensors"), {f"cond_stage_model.{layer}": there}) == "sd21"
    with pytest.raises(UserError, match="no Stable Diffusion"):
        kind_of(Path("a.safetensors"), {"unet.conv_in.weight": there})


def _incomplete(path: Path) -> None:
    tensors = load_file(path)
    tensors.pop("model.diffusion_model.out.2.weight")
    save_file(tensors, path)


def _garbage(path: Path) -> None:
    path.write_text("not tensors")


def _pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04")
    path.rename(path.with_suffix(".ckpt"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_incomplete, "lacks 1 weights of its UNet"),
        (_garbage, "not a safetensors file"),
        (_pickle, "nothing else is read"),
    ],
)
def test_files_that_are_refused(spoil: Callable[[Path], None], words: str, file: Path, configs: Path) -> None:
    spoil(file)
    place = file if file.exists() else file.with_suffix(".ckpt")
    with pytest.raises(UserError, match=words):
        load_base(str(place))
