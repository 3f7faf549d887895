"""A base in one file gives the base that was put into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from woundgen.errors import UserError
from woundgen.models.base import BaseModel, encode_prompts, load_base
from woundgen.models.single_file import kind_of
from woundgen.models.sources import PINNED, snapshot

from ...original_layout import single_file

UP, DOWN = "CrossAttnUpBlock2D", "CrossAttnDownBlock2D"


@pytest.fixture(scope="module")
def whole(base_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with the levels and layers of SD 1, narrow."""
    folder = Path(shutil.copytree(base_folders["epsilon"], tmp_path_factory.mktemp("sd") / "whole"))
    torch.manual_seed(3)
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 32, 32),
        layers_per_block=2,
        down_block_types=(DOWN, DOWN, DOWN, "DownBlock2D"),
        up_block_types=("UpBlock2D", UP, UP, UP),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=4,
        scaling_factor=0.5,
    ).save_pretrained(folder / "vae")
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
