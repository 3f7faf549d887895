"""Grouped products: the layers one by one, to rounding, with far fewer operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from woundgen.adapters.dropout import DropoutMasks
from woundgen.adapters.grouped_forward import GroupedLora
from woundgen.adapters.lora import add_lora
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.method_groups import LoraOptions
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.half_precision import run_in_half

MakeBase = Callable[[], BaseModel]
SETTINGS = LoraOptions(rank=4, alpha=6.0, dropout=0.0, target_modules=("to_q", "to_k", "to_v", "to_out.0"))


class Launches(TorchDispatchMode):
    """Counts operations that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view and not str(func).startswith(("aten.empty", "aten.detach")):
            self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))


def adapted(
    base: BaseModel, half: torch.dtype | None = None, *, dropout: float = 0.0, **settings: Any
) -> tuple[GroupedLora, FlatParameters, DropoutMasks | None]:
    """An adapter that has moved, so that A and B have gradients."""
    trainable = flatten(add_lora(base.unet, SETTINGS.model_copy(update=settings), seed=1))
    trainable.load(trainable.values + 0.05 * torch.randn(len(trainable.values), generator=source(3)))
    if half is not None:
        run_in_half(base.unet, half)
    masks = run_by_position(base.unet, dropout=dropout)
    base.unet.train()
    return GroupedLora(base.unet, trainable, masks), trainable, masks


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run(base: BaseModel, trainable: FlatParameters) -> tuple[Tensor, Tensor]:
    """Output, and gradient of the adapter."""
    noisy, text = torch.randn(3, 4, 8, 8, generator=source(2)), torch.randn(3, 7, 16, generator=source(4))
    trainable.gradient.zero_()
    output = base.unet(noisy, torch.tensor([5, 600, 900]), text).sample
    output.float().square().sum().backward()
    return output.detach().float(), trainable.gradient.clone()


def difference(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


OTHERS = [{"rslora": True, "target_modules": ("to_q", "to_v")}, {"target_modules": ("to_k", "ff.net.2")}]


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.1}, *OTHERS])
def test_equal_in_single_precision(make_base: MakeBase, settings: dict[str, Any]) -> None:
    """Where nothing is rounded to half: any mistake of algebra would show. With dropout, by the same masks."""
    base = make_base()
    grouped, trainable, masks = adapted(base, **settings)
    if masks is not None:
        masks.begin(torch.tensor([1, 2, 3]))
    expected, gradient = run(base, trainable)
    grouped.enabled = True
    output, grouped_gradient = run(base, trainable)
    assert not torch.equal(output, expected), "another order of sums"
    assert difference(output, expected) < 3e-6
    assert difference(grouped_gradient, gradient) < 3e-6
    for name, value in trainable.split(grouped_gradient).items():
        assert difference(value, trainable.split(gradient)[name]) < 1e-5, name
    for group in grouped.groups:
        assert group.read is None
        assert not group.outputs
        assert group.low is not None
        assert group.high is not None
        assert group.low.grad_fn is group.high.grad_fn is None, "no pass's graph is held, or recording fails"


@pytest.mark.parametrize("checkpointing", [False, True])
def test_no_further_from_single_precision_than_one_by_one(make_base: MakeBase, checkpointing: bool) -> None:
    """bfloat16 holds 8 bits: both are some hundredths off, and the grouped path not further."""
    single, base = make_base(), make_base()
    _, values, _ = adapted(single)
    exact, exact_gradient = run(single, values)
    grouped, trainable, _ = adapted(base, torch.bfloat16)
    if checkpointing:
        base.unet.enable_gradient_checkpointing()
    apart, apart_gradient = run(base, trainable)
    grouped.enabled = True
    output, gradient = run(base, trainable)
    assert difference(output, exact) < 1.25 * difference(apart, exact) < 0.03
    assert difference(gradient, exact_gradient) < 1.25 * difference(apart_gradient, exact_gradient) < 0.05


def test_gradients_add_up_and_evaluation_follows_the_values(make_base: MakeBase) -> None:
    base = make_base()
    grouped, trainable, _ = adapted(base, torch.bfloat16)
    grouped.enabled = True
    _, once = run(base, trainable)
    base.unet(torch.zeros(3, 4, 8, 8), torch.tensor([1, 2, 3]), torch.ones(3, 7, 16)).sample.float().sum().backward()
    assert not torch.equal(trainable.gradient, once), "added to, not overwritten"
    base.unet.eval()
    answers = []
    with torch.inference_mode():
        for factor in (1.0, 2.0):
            trainable.load(factor * trainable.values.detach())
            answers.append(base.unet(torch.ones(1, 4, 8, 8), 5, torch.ones(1, 7, 16)).sample)
    assert not torch.equal(*answers)


def test_weights_are_held_once_and_those_of_dora_stay_alone(make_base: MakeBase) -> None:
    base = make_base()
    before = {name: value.clone() for name, value in base.unet.state_dict().items()}
    grouped, _, _ = adapted(base)
    for group in grouped.groups:
        places = {layer.get_base_layer().weight.untyped_storage().data_ptr() for layer in group.layers.values()}
        assert places == {group.weight.untyped_storage().data_ptr()}
    assert sorted({len(group.layers) for group in grouped.groups}) == [1, 2, 3], "alone, k and v, q, k and v"
    after = base.unet.state_dict()
    assert all(torch.equal(after.get(name, after.get(_wrapped(name))), value) for name, value in before.items())
    dora = make_base()
    grouped, trainable, _ = adapted(dora, dora=True)
    grouped.enabled = True
    assert not grouped.groups
    assert run(dora, trainable)[1].norm() > 0


def _wrapped(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layer}.base_layer.{kind}"


def test_a_pass_takes_half_of_the_operations(make_base: MakeBase) -> None:
    """Forward and backward pass of the tiny base, in whose UNet the adapter is most of what is begun."""
    base = make_base()
    grouped, trainable, _ = adapted(base, torch.bfloat16)
    counts = []
    for grouped.enabled in (False, True):
        with Launches() as launches:
            run(base, trainable)
        counts.append(launches.count)
    apart, together = (sum(count.values()) for count in counts)
    assert together < 0.6 * apart
    assert counts[1]["aten.add_.Tensor"] <= 2, "gradients come back as one vector"
