"""Frozen weights kept in half precision: the numbers that autocast computes with weights in single precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.models.base import BaseModel
from woundgen.models.half_precision import run_in_half

SETTINGS = LoraOptions(rank=4, alpha=8.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))
HALF = torch.bfloat16


def adapted(base: BaseModel) -> dict[str, torch.nn.Parameter]:
    """An adapter whose B is a thousandth: beside weights in half precision next to nothing."""
    parameters = add_lora(base.unet, SETTINGS, seed=1)
    for name, parameter in parameters.items():
        if "lora_B" in name:
            parameter.data.fill_(1e-3)
    return parameters


def answer(base: BaseModel) -> Tensor:
    source = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
    output = base.unet(noisy, torch.tensor([5, 600]), text).sample
    output.float().square().sum().backward()
    return output.detach()


def test_to_the_bit_what_autocast_and_peft_compute(make_base: Callable[[], BaseModel]) -> None:
    plain, halved = make_base(), make_base()
    theirs, ours = adapted(plain), adapted(halved)
    with torch.autocast("cpu", HALF):
        expected = answer(plain)
    run_by_position(halved.unet, dropout=0.0)
    run_in_half(halved.unet, HALF)
    assert torch.equal(answer(halved), expected)
    for name, parameter in theirs.items():
        assert parameter.grad is not None
        assert ours[name].grad is not None
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=2e-2, atol=1e-3, msg=name)


def test_what_is_kept_in_which_precision(make_base: Callable[[], BaseModel]) -> None:
    base = make_base()
    adapted(base)
    run_in_half(base.unet, HALF)
    kept = {name: parameter.dtype for name, parameter in base.unet.named_parameters()}
    single = {name for name, dtype in kept.items() if dtype == torch.float32}
    assert kept["conv_out.weight"] == HALF
    assert single == {name for name in kept if any(part in name for part in ("lora_", "norm", "conv_in."))}
    assert base.unet.dtype == torch.float32, "what latents are drawn in"


def test_what_is_trained_stays_single(make_base: Callable[[], BaseModel]) -> None:
    base = make_base()
    base.unet.requires_grad_(True)
    run_in_half(base.unet, HALF)
    assert {parameter.dtype for parameter in base.unet.parameters()} == {torch.float32}
