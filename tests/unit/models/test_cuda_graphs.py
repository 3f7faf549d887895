"""CUDA graphs: the numbers of the passes that they stand in for. All but the choice needs a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import flatten
from woundgen.models.verified_unet import VerifiedUNet
from woundgen.workflows.train.model import prepare_model, unet_for_training

from ..training.rig import Rig

MakeBase = Callable[[], BaseModel]
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")


@pytest.mark.parametrize(
    ("settings", "device", "replayed"),
    [
        ({}, "cuda", True),
        ({"cuda_graphs": False}, "cuda", False),
        ({}, "cpu", False),
    ],
)
def test_where_steps_are_replayed(make_base: MakeBase, settings: dict[str, Any], device: str, replayed: bool) -> None:
    base = make_base()
    config = TrainConfig(**settings)
    trainable = flatten({"a": torch.nn.Parameter(torch.zeros(1))})
    unet = unet_for_training(base, config, trainable, torch.device(device), faults=[])
    assert (isinstance(unet, VerifiedUNet) and isinstance(unet.fast, ReplayedUNet)) == replayed
    assert replayed or unet is base.unet


@on_a_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_run_is_the_one_without_graphs(make_base: MakeBase, dropout: float, precision: str) -> None:
    """Two shapes of micro-batch: 2, 2, 1. Kernels are chosen anew in a recording, and may round otherwise.

    On an H100 runs repeat to the bit in half precision; in single precision they did not, graphs or none.
    """
    runs = []
    for replayed in (False, False, True, True):
        base = make_base()
        base.unet.to("cuda")
        run = Rig.build(base, dropout=dropout, precision=precision, global_batch=5, micro_batch=2, steps=6)
        runs.append(run.run(unet=ReplayedUNet(base.unet, run.trainable) if replayed else None))
    plain, plain_again, graphs, graphs_again = runs
    assert len(set(plain.losses)) == 6
    assert graphs.losses == pytest.approx(plain.losses, rel=1e-3)
    assert graphs_again.losses == pytest.approx(graphs.losses, rel=1e-3)
    if precision != "fp32":
        assert plain_again.losses == plain.losses
        assert graphs_again.losses == graphs.losses
        assert torch.equal(graphs_again.values, graphs.values)


@on_a_gpu
@pytest.mark.parametrize("replayed", [False, True])
def test_checkpointing_can_be_recorded(make_base: MakeBase, replayed: bool) -> None:
    losses = []
    for checkpointing in (False, True):
        base, config = make_base(), TrainConfig(gradient_checkpointing=checkpointing, mixed_precision="bf16")
        _, trainable = prepare_model(base, config, torch.device("cuda"), "bf16")
        unet = ReplayedUNet(base.unet, trainable) if replayed else base.unet
        source = torch.Generator().manual_seed(4)
        inputs = [torch.randn(2, *shape, generator=source).to("cuda") for shape in ((4, 8, 8), (7, 16))]
        base.unet.train()
        unet(inputs[0], torch.tensor([5, 600], device="cuda"), inputs[1]).sample.float().square().sum().backward()
        losses.append(trainable.gradient.norm().item())
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


@on_a_gpu
def test_what_reads_the_prompts_gets_its_gradient(make_base: MakeBase) -> None:
    gradients = []
    for replayed in (False, True):
        base = make_base()
        unet = base.unet.to("cuda")
        trainable = flatten({"none": torch.nn.Parameter(torch.zeros(3, device="cuda"))})
        source = torch.Generator().manual_seed(4)
        network = ReplayedUNet(unet, trainable) if replayed else unet
        for _ in range(2):
            noisy, states = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 7, 16, generator=source)
            states = states.to("cuda").requires_grad_()
            network(noisy.to("cuda"), torch.tensor([5, 600], device="cuda"), states).sample.square().sum().backward()
            gradients.append(states.grad)
    for plain, graphs in zip(gradients[:2], gradients[2:], strict=True):
        torch.testing.assert_close(graphs, plain, rtol=1e-5, atol=1e-6)
