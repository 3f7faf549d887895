"""A lean pass in half precision is used where it computes what the plain one does, and only there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters
from woundgen.models.verified_unet import TOLERANCES
from woundgen.training.memory import PassShape, count_activations, single_precision_norms
from woundgen.workflows.train.lean_pass import LeanPass, build_lean_pass, enable_where_equal
from woundgen.workflows.train.model import prepare_model

MakeBase = Callable[[], BaseModel]
CPU = torch.device("cpu")
SHAPE = PassShape(images=4, channels=4, side=8, tokens=7, width=16)


def prepared(base: BaseModel, precision: str = "bf16", **settings: Any) -> tuple[FlatParameters, LeanPass | None]:
    config = TrainConfig(lora_dropout=0.0, gradient_checkpointing=False, **settings)
    method, trainable = prepare_model(base, config, CPU, precision)
    masks = run_by_position(base.unet, dropout=0.0) if method.name == "lora" else None
    return trainable, build_lean_pass(base.unet, method, trainable, masks, precision)


def answer(base: BaseModel) -> Tensor:
    noisy, text = torch.ones(2, 4, 8, 8), torch.ones(2, 7, 16)
    with torch.no_grad():
        return base.unet(noisy, torch.tensor([5, 600]), text).sample


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("method", ["lora", "textual_inversion"])
def test_used_where_it_is_equal_and_nothing_is_left_changed(make_base: MakeBase, precision: str, method: str) -> None:
    base = make_base()
    trainable, lean = prepared(base, precision, training_method=method, instance_token=f"<{method}-{precision}>")
    assert lean is not None
    shape = PassShape(4, 4, 8, 7, 16, prompt_gradient=method != "lora")
    trainable.gradient.fill_(0.25)
    base.unet.eval()
    with single_precision_norms(base.unet):  # as a GPU runs them; a CPU's autocast has them in half
        values, plain = trainable.values.detach().clone(), answer(base)
        assert enable_where_equal(lean, base.unet, trainable, shape, precision) == []
        used = answer(base)
    assert lean.norms.enabled
    assert (lean.adapter is None) == (method != "lora")
    assert lean.adapter is None or lean.adapter.enabled
    assert torch.equal(trainable.values, values)
    assert (trainable.gradient == 0.25).all()
    assert not base.unet.training
    assert not torch.equal(used, plain), "or it is not used"
    assert (used - plain).norm() < TOLERANCES[plain.dtype] * plain.norm()


@pytest.mark.parametrize("part", ["norms", "products"])
def test_one_that_is_wrong_is_left_with_a_line(make_base: MakeBase, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth off in a norm's weights, or in what the adapter adds."""
    base = make_base()
    trainable, lean = prepared(base)
    assert lean is not None
    assert lean.adapter is not None
    plain = answer(base)
    if part == "norms":
        norm = base.unet.conv_norm_out
        assert isinstance(norm.forward, partial)
        norm.forward.args[2].mul_(1.1)
    else:
        for group in lean.adapter.groups:
            group.scale *= 4
    (line,) = enable_where_equal(lean, base.unet, trainable, SHAPE, "bf16")
    assert "differ from the plain pass by" in line
    assert "training goes on without them" in line
    assert not lean.norms.enabled
    assert not lean.adapter.enabled
    assert torch.equal(answer(base), plain)


def test_single_precision_stays_as_it_is(make_base: MakeBase) -> None:
    base = make_base()
    _, lean = prepared(base, "fp32")
    assert lean is None
    assert "forward" not in vars(base.unet.conv_norm_out)


def test_norms_that_are_trained_stay_in_single_precision(make_base: MakeBase) -> None:
    base = make_base()
    _, lean = prepared(base, training_method="full")
    assert lean is not None
    assert "forward" not in vars(base.unet.conv_norm_out)


@pytest.mark.slow
def test_the_plan_of_a_machine_without_a_card_assumes_it(make_base: MakeBase) -> None:
    """Inputs and outputs of norms are half as large, and nothing is used afterwards."""
    base = make_base()
    _, lean = prepared(base)
    assert lean is not None
    plain = count_activations(base.unet, SHAPE, dropout=None)
    with lean.assumed():
        assert count_activations(base.unet, SHAPE, dropout=None, half_norms=True) < 0.85 * plain
    assert not lean.norms.enabled
