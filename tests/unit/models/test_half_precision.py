"""Frozen weights kept in half precision: the numbers that autocast computes with weights in single precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.models.base import BaseModel
from woundgen.models.half_precision import HalfNorms, run_in_half

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


def test_dora_is_no_further_from_single_precision_than_pefts(make_base: Callable[[], BaseModel]) -> None:
    """peft multiplies W x and B A x by the learned lengths apart, we their sum; output and gradients."""
    settings = SETTINGS.model_copy(update={"dora": True})
    answers = []
    for ours, half in ((False, None), (False, HALF), (True, HALF)):
        base = make_base()
        parameters = add_lora(base.unet, settings, seed=1)
        source = torch.Generator().manual_seed(5)
        for parameter in parameters.values():
            parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=source))
        if ours:
            run_by_position(base.unet, dropout=0.0)
            run_in_half(base.unet, HALF)
        with torch.autocast("cpu", HALF, enabled=half is not None and not ours):
            output = answer(base).float()
        answers.append((output, torch.cat([parameter.grad.flatten() for parameter in parameters.values()])))
    exact, theirs, own = answers
    for part in (0, 1):
        distances = [(answer[part] - exact[part]).norm() / exact[part].norm() for answer in (theirs, own)]
        assert 0 < distances[1] < 1.25 * distances[0] < 0.06, part


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


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_norms_in_half_take_mean_and_variance_in_single(half: torch.dtype) -> None:
    """Around 1000, whose squares are beyond fp16: the answer is the single one's, rounded once (weights of 1)."""
    x = (1000 + 100 * torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))).to(half)
    network = nn.Sequential(nn.GroupNorm(2, 8), nn.LayerNorm(16)).requires_grad_(False)
    expected = [layer(x.float()) for layer in network]
    norms = HalfNorms(network, half)
    assert network[0](x.float()).dtype == torch.float32, "not enabled yet"
    norms.enabled = True
    for layer, single in zip(network, expected, strict=True):
        answer = layer(x)
        assert answer.dtype == half
        torch.testing.assert_close(answer.float(), single, rtol=2 * torch.finfo(half).eps, atol=1e-3)
