"""Frozen weights kept in half precision: the numbers that autocast computes with weights in single precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from woundgen.models.adapter import LoraSettings, add_lora
from woundgen.models.base import BaseModel
from woundgen.models.half import run_in_half
from woundgen.models.lora_forward import run_by_position

SETTINGS = LoraSettings(rank=4, alpha=8.0, dropout=0.0, targets=("to_q", "to_k", "to_v", "to_out.0"))
HALF = torch.bfloat16


def step(base: BaseModel) -> tuple[Tensor, dict[str, Tensor]]:
    """Output and gradients of one step, with an adapter whose B is a thousandth."""
    parameters = add_lora(base.unet, SETTINGS, seed=1)
    with torch.no_grad():
        for name, parameter in parameters.items():
            if "lora_B" in name:
                parameter.fill_(1e-3)
    run_by_position(base.unet, dropout=0.0)
    source = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
    with torch.autocast("cpu", HALF):
        output = base.unet(noisy, torch.tensor([5, 600]), text).sample
    output.float().square().sum().backward()
    return output.detach(), {name: p.grad for name, p in parameters.items() if p.grad is not None}


@pytest.fixture
def halved(make_base: Callable[[], BaseModel]) -> BaseModel:
    base = make_base()
    add_lora(base.unet, SETTINGS, seed=1)
    run_in_half(base.unet, HALF)
    return base


def test_to_the_bit_what_autocast_computes(make_base: Callable[[], BaseModel]) -> None:
    plain, halved = make_base(), make_base()
    expected = step(plain)
    parameters = add_lora(halved.unet, SETTINGS, seed=1)
    run_in_half(halved.unet, HALF)
    for name, parameter in parameters.items():
        if "lora_B" in name:
            parameter.data.fill_(1e-3)
    run_by_position(halved.unet, dropout=0.0)
    source = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
    output = halved.unet(noisy, torch.tensor([5, 600]), text).sample  # no autocast around it: it brings its own
    output.float().square().sum().backward()
    assert torch.equal(output, expected[0])
    for name, gradient in expected[1].items():
        assert torch.equal(parameters[name].grad, gradient), name


def test_what_is_kept_in_which_precision(halved: BaseModel) -> None:
    kept = {name: parameter.dtype for name, parameter in halved.unet.named_parameters()}
    single = {name for name, dtype in kept.items() if dtype == torch.float32}
    assert all(kept[name] == HALF for name in ("conv_out.weight", "time_embedding.linear_1.weight"))
    named = ("lora_", ".base_layer.", "norm", "conv_in.")
    assert single == {name for name in kept if any(part in name for part in named) and "norm_num" not in name}
    assert halved.unet.dtype == torch.float32, "what latents are drawn in"


def test_what_is_trained_stays_single(make_base: Callable[[], BaseModel]) -> None:
    base = make_base()
    base.unet.requires_grad_(True)
    run_in_half(base.unet, HALF)
    assert {parameter.dtype for parameter in base.unet.parameters()} == {torch.float32}
