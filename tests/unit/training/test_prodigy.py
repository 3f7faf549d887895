"""`optimizer: prodigy` is prodigyopt's own optimizer over the flat vector, and its estimate survives a checkpoint."""

from __future__ import annotations

import torch
from prodigyopt import Prodigy
from torch import nn

from woundgen.config.train import TrainConfig
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.training.optimizer_state import optimizer_tensors, restore_optimizer
from woundgen.training.plan import make_plan
from woundgen.training.state import new_optimizer

STEPS = 200


def start() -> tuple[FlatParameters, torch.optim.Optimizer]:
    parts = {"a": nn.Parameter(torch.full((3,), 2.0)), "b": nn.Parameter(torch.full((2, 2), -1.0))}
    trainable = flatten(parts)
    return trainable, new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=0.01, kind="prodigy")


def step(trainable: FlatParameters, optimizer: torch.optim.Optimizer, number: int) -> None:
    optimizer.param_groups[0]["lr"] = min(1.0, (number + 1) / 10)  # as warm-up sets it
    (trainable.values - 0.3 * number / STEPS).square().sum().backward()
    optimizer.step()
    trainable.gradient.zero_()


def test_one_vector_moves_as_a_list_of_tensors_does() -> None:
    """prodigyopt's estimate is of all parameters together, so that flattening them changes nothing but rounding."""
    trainable, optimizer = start()
    apart = [torch.full((3,), 2.0, requires_grad=True), torch.full((2, 2), -1.0, requires_grad=True)]
    reference = Prodigy(
        apart, betas=(0.9, 0.999), weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True, decouple=True
    )
    for number in range(STEPS):
        step(trainable, optimizer, number)
        reference.param_groups[0]["lr"] = min(1.0, (number + 1) / 10)
        reference.zero_grad()
        sum((one - 0.3 * number / STEPS).square().sum() for one in apart).backward()
        reference.step()
    expected = torch.cat([one.detach().flatten() for one in apart])
    assert not torch.allclose(expected, torch.tensor([2.0] * 3 + [-1.0] * 4), atol=1e-3)
    assert torch.allclose(trainable.values.detach(), expected, rtol=1e-5)


def test_its_estimate_is_saved_and_restored() -> None:
    trainable, optimizer = start()
    for number in range(STEPS // 2):
        step(trainable, optimizer, number)
    fresh, other = start()
    fresh.load(trainable.values.detach())
    restore_optimizer(other, {key: value.clone() for key, value in optimizer_tensors(optimizer).items()})
    assert other.param_groups[0]["d"] == optimizer.param_groups[0]["d"] > 1e-6
    for number in range(STEPS // 2, STEPS):
        step(trainable, optimizer, number)
        step(fresh, other, number)
    assert torch.equal(fresh.values, trainable.values)


def test_it_prints_nothing(capsys: object) -> None:
    """Its constructor would, given a weight decay: the output of a command may be read by a program."""
    start()
    assert capsys.readouterr().out == ""  # type: ignore[attr-defined]


def test_the_plan_warns_of_a_rate_for_adamw() -> None:
    def warnings(**settings: object) -> str:
        return " ".join(make_plan(TrainConfig.model_validate(settings), images=100, validation_images=10).warnings)

    assert "set learning_rate: 1" in warnings(optimizer="prodigy", learning_rate=1e-4)
    assert "learning_rate" not in warnings(optimizer="prodigy", learning_rate=1.0)
