"""The check of an accelerated UNet, with stand-ins on a CPU that tell the truth and that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor

from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.verified_unet import TOLERANCES, VerifiedUNet, compare_passes

MakeBase = Callable[[], BaseModel]


class Lie:
    """Runs the UNet and spoils what `kind` names, from the micro-batch of `count` images on."""

    def __init__(self, unet: torch.nn.Module, kind: str, *, count: int = 0) -> None:
        self.unet, self.kind, self.count, self.calls = unet, kind, count, 0

    def __call__(self, noisy: Tensor, timesteps: Tensor, prompt_embeds: Tensor) -> UNet2DConditionOutput:
        self.calls += 1
        sample = self.unet(noisy, timesteps, prompt_embeds).sample
        if len(noisy) >= self.count:
            if self.kind == "output":
                sample = sample + 0.1
            elif self.kind == "gradient":
                sample = sample.detach() + 1.2 * (sample - sample.detach())
            elif self.kind == "no gradient":
                sample = sample.detach() + 0 * sample
            elif self.kind == "not a number":
                sample = sample * float("nan")
        return UNet2DConditionOutput(sample=sample)


@pytest.fixture
def base(make_base: MakeBase) -> BaseModel:
    return make_base()


@pytest.fixture
def trainable(base: BaseModel) -> FlatParameters:
    base.unet.requires_grad_(True)
    return flatten(dict(base.unet.named_parameters()))


def inputs(base: BaseModel, count: int, *, learned_prompt: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(count)
    width = base.unet.config.cross_attention_dim
    noisy = torch.randn(count, base.unet.config.in_channels, 8, 8, generator=source)
    prompts = torch.randn(count, 7, width, generator=source).requires_grad_(learned_prompt)
    return noisy, torch.arange(1, count + 1) * 100, prompts


def test_equal_passes_differ_by_nothing_and_leave_gradients_alone(base: BaseModel, trainable: FlatParameters) -> None:
    trainable.gradient.fill_(0.5)
    difference = compare_passes(base.unet, base.unet, trainable, *inputs(base, 2, learned_prompt=True))
    assert difference.largest < 1e-5
    assert (trainable.gradient == 0.5).all()


@pytest.mark.parametrize(("kind", "expected"), [("gradient", 0.2), ("no gradient", 1.0)])
def test_a_wrong_gradient_is_measured(base: BaseModel, trainable: FlatParameters, kind: str, expected: float) -> None:
    """1.2 times the gradient differs by 0.2 of it, none by all of it."""
    difference = compare_passes(base.unet, Lie(base.unet, kind), trainable, *inputs(base, 2, learned_prompt=True))
    assert difference.output < 1e-6
    assert difference.gradient == pytest.approx(expected, rel=1e-3)
    assert difference.prompt_gradient == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["output", "gradient", "no gradient", "not a number"])
def test_a_lie_is_told_once_and_the_run_goes_on_eager(base: BaseModel, trainable: FlatParameters, kind: str) -> None:
    warnings: list[str] = []
    lie = Lie(base.unet, kind)
    unet = VerifiedUNet(base.unet, lie, trainable, faults=warnings)
    for count in (2, 2, 1):
        batch = inputs(base, count)
        torch.testing.assert_close(unet(*batch).sample, base.unet(*batch).sample)
    assert len(warnings) == 1
    assert "differs from the plain one by" in warnings[0]
    assert lie.calls == 1, "after the check it is not run again"


class BuildError(RuntimeError):
    """As a compiler's."""


def test_what_cannot_be_built_is_told_once_and_the_run_goes_on_eager(
    base: BaseModel, trainable: FlatParameters
) -> None:
    """Gradients so far stay; another exception is no word of the compiler and comes through."""
    calls: list[int] = []

    def broken(noisy: Tensor, timesteps: Tensor, prompt_embeds: Tensor) -> UNet2DConditionOutput:
        calls.append(len(noisy))
        raise BuildError("C++ compile error\n\nCommand:\ng++ ...")

    warnings: list[str] = []
    unet = VerifiedUNet(base.unet, broken, trainable, faults=warnings, build_errors=(BuildError,))
    trainable.gradient.fill_(0.5)
    for count in (2, 1):
        batch = inputs(base, count)
        torch.testing.assert_close(unet(*batch).sample, base.unet(*batch).sample)
    assert (trainable.gradient == 0.5).all()
    assert calls == [2]
    (line,) = warnings
    assert "could not be built (C++ compile error): training goes on without" in line
    with pytest.raises(BuildError):
        VerifiedUNet(base.unet, broken, trainable, faults=[])(*inputs(base, 2))


def test_each_shape_is_checked_when_it_is_first_met(base: BaseModel, trainable: FlatParameters) -> None:
    """The recording of the second shape lies."""
    warnings: list[str] = []
    unet = VerifiedUNet(base.unet, Lie(base.unet, "output", count=2), trainable, faults=warnings)
    for count in (1, 1):
        unet(*inputs(base, count))
    assert not warnings
    batch = inputs(base, 2)
    torch.testing.assert_close(unet(*batch).sample, base.unet(*batch).sample)
    assert len(warnings) == 1


def test_what_agrees_is_run_in_its_place_and_checked_once(base: BaseModel, trainable: FlatParameters) -> None:
    warnings: list[str] = []
    honest = Lie(base.unet, "nothing")
    unet = VerifiedUNet(base.unet, honest, trainable, faults=warnings)
    for _ in range(3):
        unet(*inputs(base, 2))
    assert not warnings
    assert honest.calls == 4  # one of them the check


def test_half_precision_has_a_bound_of_its_own(base: BaseModel, trainable: FlatParameters) -> None:
    """A difference of 3 % is rounding in bf16 and not in fp32."""

    def nearly(noisy: Tensor, timesteps: Tensor, prompt_embeds: Tensor) -> UNet2DConditionOutput:
        return UNet2DConditionOutput(sample=1.03 * base.unet(noisy, timesteps, prompt_embeds).sample)

    for autocast, trusted in ((False, False), (True, True)):
        unet = VerifiedUNet(base.unet, nearly, trainable, faults=[])
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            unet(*inputs(base, 2))
        assert unet.trusted is trusted
    assert TOLERANCES[torch.float32] < 0.03 < TOLERANCES[torch.bfloat16]
