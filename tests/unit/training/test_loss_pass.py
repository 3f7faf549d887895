"""A micro-batch as one recorded function: the steps of the loop without it, or a warning and those steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from woundgen.models.base import BaseModel
from woundgen.models.recorded_function import Function
from woundgen.training.latents import Latents
from woundgen.training.loss_pass import VerifiedLossPass
from woundgen.training.terms import ExtraTerm

from ..recorders import StandIn
from . import rig as rig_module
from .rig import Rig, photographs

MakeBase = Callable[[], BaseModel]


def with_regions() -> Latents:
    latents = photographs()
    region = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)) + 0.5
    return Latents(latents.mean, latents.deviation, latents.scale, region / region.mean((2, 3), keepdim=True))


def run(
    base: BaseModel, recorder: StandIn | None, *, latents: Latents | None = None, **settings: Any
) -> tuple[Rig, list[str]]:
    """Micro-batches of 2, 2 and 1; a recorder makes the loop use the loss pass."""
    warnings: list[str] = []
    run = Rig.build(base, global_batch=5, micro_batch=2, **settings)
    loss_pass = None
    if recorder is not None:
        loss_pass = VerifiedLossPass(base.unet, run.trainable, record=recorder, faults=warnings)
    return run.run(loss_pass=loss_pass, latents=latents), warnings


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.1, "min_snr_gamma": 2.0}, {"precision": "bf16"}])
def test_steps_are_those_of_the_plain_loop(make_base: MakeBase, settings: dict[str, Any]) -> None:
    recorder = StandIn()
    plain, _ = run(make_base(), None, latents=with_regions(), **settings)
    recorded, warnings = run(make_base(), recorder, latents=with_regions(), **settings)
    assert recorded.losses == pytest.approx(plain.losses, rel=1e-6)
    torch.testing.assert_close(recorded.values, plain.values, rtol=1e-4, atol=1e-6)
    assert len(set(plain.losses)) == 6
    assert len(recorder.shapes) == 2, "one recording for each shape of a micro-batch"
    assert recorder.replays == 2 + 3 * 6, "two checks, and every micro-batch"
    assert not warnings


@pytest.mark.parametrize("lie", ["scaled", "stale", "twice", "not a number", "error"])
def test_a_lie_is_told_once_and_changes_no_step(make_base: MakeBase, lie: str) -> None:
    """ "twice" gives the right loss, and twice the gradient."""
    plain, _ = run(make_base(), None)
    recorded, warnings = run(make_base(), StandIn(lie))
    assert recorded.losses == pytest.approx(plain.losses, rel=1e-6)
    torch.testing.assert_close(recorded.values, plain.values, rtol=1e-4, atol=1e-6)
    assert len(warnings) == 1
    assert "the recorded step" in warnings[0]
    assert "goes on without CUDA graphs" in warnings[0]


def test_the_plain_pass_is_over_before_a_recording_takes_memory(make_base: MakeBase) -> None:
    """Both at once would take twice the activations, where the plan has foreseen them once."""
    order: list[str] = []

    class Noting(StandIn):
        def __call__(self, function: Function, inputs: Sequence[Tensor]) -> Callable[..., Tensor]:
            order.append("record")
            assert float(inputs[-1]) == 0, "at scale 0 it adds nothing to the gradient that is kept"
            assert torch.isfinite(function(*inputs))
            return super().__call__(function, inputs)

    base = make_base()
    rig = Rig.build(base, steps=1)
    loss_pass = VerifiedLossPass(base.unet, rig.trainable, record=Noting(), faults=[])
    plain = loss_pass.plain

    def noting(*tensors: Tensor) -> Tensor:
        order.append("plain")
        return plain(*tensors)

    loss_pass.plain = noting
    rig.run(loss_pass=loss_pass)
    assert loss_pass.trusted
    assert order == ["plain", "record", "plain", "plain", "plain"], "once; recorded, and then run by the stand-in"


def test_terms_look_at_the_output_and_so_the_loop_keeps_its_own_pass(make_base: MakeBase) -> None:
    recorder = StandIn()
    base = make_base()
    rig = Rig.build(base, steps=2)
    loss_pass = VerifiedLossPass(base.unet, rig.trainable, record=recorder, faults=[])
    term = ExtraTerm("far", 0.1, 1.0, 1e-9, lambda estimate, clean: (estimate - clean).square().flatten(1).mean(1))
    rig.run(loss_pass=loss_pass, terms=[term])
    assert not recorder.shapes


def test_prompts_that_are_trained_get_their_gradient(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, embeds = StandIn(), []
    texts = rig_module.prompt_embeds

    def with_gradient(rows: Sequence[int], dropped: Sequence[bool]) -> Tensor:
        embeds.append(texts(rows, dropped).requires_grad_())
        return embeds[-1]

    monkeypatch.setattr(rig_module, "prompt_embeds", with_gradient)
    base = make_base()
    rig = Rig.build(base, steps=1)
    rig.run(loss_pass=VerifiedLossPass(base.unet, rig.trainable, record=recorder, faults=[]))
    assert not recorder.shapes
    assert embeds[0].grad.norm() > 0
