"""An adapter that is half there, of another shape or of an absurd size is an error that names file and layer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from woundgen.adapters.full import blend_whole
from woundgen.adapters.lora import fuse_lora
from woundgen.adapters.plausibility import LARGEST_CHANGE
from woundgen.errors import UserError
from woundgen.storage.names import ADAPTER_FILE, ADAPTER_NOTES, WHOLE_FILE


class Block(nn.Module):
    """Two attention layers of a UNet, as far as adapters see one."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(layers_per_block=1)
        self.attn = nn.ModuleDict({name: nn.Linear(8, 8) for name in ("to_q", "to_k")})


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    source = torch.Generator().manual_seed(1)
    tensors = {
        f"unet.attn.{name}.lora_{half}.weight": torch.randn(*shape, generator=source)
        for name in ("to_q", "to_k")
        for half, shape in (("A", (2, 8)), ("B", (8, 2)))
    }
    save_file(tensors, tmp_path / ADAPTER_FILE)
    (tmp_path / ADAPTER_NOTES).write_text(json.dumps({"lora": {"targets": ["to_q", "to_k"]}}))
    return tmp_path / ADAPTER_FILE


def rewrite(file: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_a_whole_adapter_is_fused(adapter: Path) -> None:
    block = Block()
    before = block.attn["to_q"].weight.clone()
    fuse_lora(block, [(adapter, 1.0)])
    assert not torch.equal(before, block.attn["to_q"].weight)


def test_half_of_the_layers_is_an_error(adapter: Path) -> None:
    rewrite(adapter, lambda tensors: [tensors.pop(name) for name in list(tensors) if "to_k" in name])
    with pytest.raises(UserError, match=r"adapts 1 of 2 layers: attn\.to_k is missing"):
        fuse_lora(Block(), [(adapter, 1.0)])


def test_a_file_from_elsewhere_may_adapt_any_layers(adapter: Path) -> None:
    """It has no notes, and many trainers adapt some of the attention alone."""
    (adapter.parent / ADAPTER_NOTES).unlink()
    rewrite(adapter, lambda tensors: [tensors.pop(name) for name in list(tensors) if "to_k" in name])
    fuse_lora(Block(), [(adapter, 1.0)])


@pytest.mark.parametrize("value", [1e30, -1e18, 1e6, torch.nan, torch.inf])
def test_a_number_out_of_proportion_is_an_error(adapter: Path, value: float) -> None:
    rewrite(adapter, lambda tensors: tensors["unet.attn.to_q.lora_B.weight"].__setitem__((3, 1), value))
    with pytest.raises(UserError, match="to_q"):
        fuse_lora(Block(), [(adapter, 1.0)])


def test_ten_times_the_size_of_the_base_is_strong_and_taken(adapter: Path) -> None:
    block = Block()
    size = float(block.attn["to_q"].weight.norm())

    def grow(tensors: dict[str, Tensor]) -> None:
        up, down = (tensors[f"unet.attn.to_q.lora_{half}.weight"] for half in "BA")
        up *= 10 * size / (up @ down).norm()

    rewrite(adapter, grow)
    fuse_lora(block, [(adapter, 1.0)])
    assert LARGEST_CHANGE > 10


@pytest.mark.parametrize("value", [1e30, 2e4, torch.nan, -torch.inf])
def test_a_whole_unet_with_an_absurd_weight_is_an_error(tmp_path: Path, value: float) -> None:
    block = Block()
    weights = {name: parameter.detach().clone() for name, parameter in block.named_parameters()}
    weights["attn.to_k.weight"][0, 0] = value
    save_file(weights, tmp_path / WHOLE_FILE)
    with pytest.raises(UserError, match=r"attn\.to_k\.weight holds"):
        blend_whole(block, [(tmp_path / WHOLE_FILE, 1.0)])
