"""Where a base model is found, and what is said where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from woundgen.errors import UserError
from woundgen.models.base import (
    EMBEDDED,
    EMBEDDED_FOLDER,
    PARTS,
    PINNED,
    BaseModel,
    base_digest,
    encode_prompts,
    find_base,
    load_base,
    prompt_length,
)
from woundgen.models.sources import describe_source

from ...tiny_base import pipeline_of

WITHDRAWN = "stabilityai/stable-diffusion-2-1-base"
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(base_folders: dict[str, Path], tmp_path: Path) -> Path:
    """A base on disk that a test may spoil."""
    return Path(shutil.copytree(base_folders["epsilon"], tmp_path / "base"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub: Path, number: int) -> Path:
    """Mirror `number` of SD 2.1 as the hub's cache lays it out."""
    repository, revision = PINNED["sd21-base"][number]
    place = hub / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
    place.mkdir(parents=True)
    return place


def test_all_that_a_base_says_of_itself(folder: Path) -> None:
    base = load_base(str(folder))
    assert base.prediction == "epsilon"
    assert base.latent_scale == 0.5
    assert base.alphas_cumprod.shape == (1000,)
    assert base.alphas_cumprod.dtype == torch.float32
    for module in (base.unet, base.vae, base.text_encoder):
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())
        assert all(p.dtype == torch.float32 for p in module.parameters())


def test_half_precision_files_are_read_as_single(folder: Path) -> None:
    base = load_base(str(folder))
    base.unet.half().save_pretrained(folder / "unet")
    assert next(load_base(str(folder)).unet.parameters()).dtype == torch.float32


def test_digest_is_of_the_weights(folder: Path, base_folders: dict[str, Path], tmp_path: Path) -> None:
    """Not of the place; and any weight changes it."""
    assert base_digest(folder) == base_digest(base_folders["epsilon"])
    content = bytearray((folder / UNET_FILE).read_bytes())
    content[-1] ^= 1
    (folder / UNET_FILE).write_bytes(bytes(content))
    assert base_digest(folder) != base_digest(base_folders["epsilon"])


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(part: str, folder: Path) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(UserError, match=f"{part} missing"):
        load_base(str(folder))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _garbage(path: Path) -> None:
    path.write_text("not tensors")


@pytest.mark.parametrize("spoil", [Path.unlink, _truncate, _garbage])
@pytest.mark.parametrize("name", [UNET_FILE, "text_encoder/model.safetensors", "unet/config.json"])
def test_damaged_files(spoil: Callable[[Path], None], name: str, folder: Path) -> None:
    spoil(folder / name)
    with pytest.raises(UserError, match="could not be loaded") as caught:
        load_base(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_name() -> None:
    with pytest.raises(UserError, match="'sd99' is neither a folder nor a known model") as caught:
        find_base("sd99")
    assert "embedded" in caught.value.fix
    assert "sd21-base" in caught.value.fix


def test_embedded_is_the_packages_own() -> None:
    assert find_base(EMBEDDED) == EMBEDDED_FOLDER


@pytest.mark.parametrize("name", ["sd21-base", WITHDRAWN])
def test_not_in_the_cache(name: str, hub: Path) -> None:
    """The id that Stability AI withdrew still works as a name; what to type is said, and how to try without."""
    with pytest.raises(UserError, match="not in the local hub cache") as caught:
        find_base(name)
    assert "woundgen fetch sd21-base (5.2 GB)" in caught.value.fix
    assert "--set base_model=embedded" in caught.value.fix
    assert str(hub) in caught.value.what


def test_mirrors_serve_in_order(hub: Path) -> None:
    last = cached(hub, 2)
    assert find_base(WITHDRAWN) == last
    assert describe_source(WITHDRAWN, last) == "", "it is what was asked for"
    second = cached(hub, 1)
    assert find_base(WITHDRAWN) == second
    first = cached(hub, 0)
    assert find_base(WITHDRAWN) == first
    for number, folder in ((1, second), (0, first)):
        assert PINNED["sd21-base"][number][0] in describe_source(WITHDRAWN, folder)
    assert describe_source(str(first), first) == "", "a folder that is named says itself where it is"


def test_another_revision_does_not_serve(hub: Path) -> None:
    place = cached(hub, 0)
    place.rename(place.with_name("0" * 40))
    with pytest.raises(UserError, match="not in the local hub cache"):
        find_base("sd21-base")


def test_the_cache_under_hf_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    place = cached(tmp_path / "hub", 0)
    assert find_base("sd21-base") == place


def test_prompts_as_the_pipeline_encodes_them(loaded_base: BaseModel) -> None:
    """Short, empty, and one that is cut off at 77 tokens."""
    pipeline = pipeline_of(loaded_base)
    prompts = ["photograph of a wound", "", "redness , " * 60]
    expected, _ = pipeline.encode_prompt(prompts, "cpu", 1, False)
    assert torch.equal(encode_prompts(loaded_base, prompts), expected)


def test_length_of_a_prompt(loaded_base: BaseModel) -> None:
    """Start and end count; a long one is not cut here, so that it can be said."""
    assert prompt_length(loaded_base, "") == 2
    assert prompt_length(loaded_base, "photograph of a wound") == 6
    assert prompt_length(loaded_base, "wound " * 100) == 102
