"""The memory that a step is foreseen to take: against torch's own tracker, a real pass, and arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker

from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.optimization_groups import OptimizationOptions
from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import flatten
from woundgen.training.loss_pass import run_loss_pass
from woundgen.training.memory import (
    MOMENT_BYTES,
    PassShape,
    StepMemory,
    _fake_inputs,
    count_activations,
    foresee_step,
    held_bytes,
    largest_micro_batch,
    single_precision_norms,
)
from woundgen.training.peak_counter import ExactBytes, PeakCounter
from woundgen.workflows.train.memory_plan import GIB, MemoryPlan, memory_lines, propose_fit
from woundgen.workflows.train.model import prepare_model

from .rig import Rig

MakeBase = Callable[[], BaseModel]
SHAPE = PassShape(images=4, channels=4, side=8, tokens=7, width=16)
CPU = torch.device("cpu")


def test_bytes_of_a_chain() -> None:
    """x of 1000, y = 2 x, z = y + 1 of 4000 bytes each; when y goes, w takes its room."""
    x = torch.ones(1000)
    memory = ExactBytes()
    with PeakCounter(memory):
        y = 2 * x
        z = y + 1
        assert (memory.held, memory.peak) == (8000, 8000)
        del y
        assert memory.held == 4000
        w = z.square()
        v = w.view(10, 100)  # of the same storage
        assert (memory.held, memory.peak) == (8000, 8000)
        w.add_(1)
        assert memory.peak == 8000
        del w, v, z
        assert memory.held == 0


def test_storages_are_rounded_up_as_the_allocator_does() -> None:
    with PeakCounter() as counter:
        x = torch.ones(1)
        assert counter.memory.held == 512
        del x


def real_inputs() -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    inputs = [torch.rand(value.shape, generator=source) for value in _fake_inputs(SHAPE, CPU)]
    inputs[1] = torch.tensor([1, 200, 500, 900])
    return inputs


def real_peak(base: BaseModel) -> int:
    inputs = real_inputs()
    with single_precision_norms(base.unet), PeakCounter() as counter:
        run_loss_pass(base.unet, *inputs)
    return counter.memory.peak + sum(-(-value.nbytes // 512) * 512 for value in inputs)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"checkpointing": True}, {"precision": "bf16"}])
def test_a_fake_pass_counts_what_a_real_one_takes(make_base: MakeBase, settings: dict[str, Any]) -> None:
    base = make_base()
    Rig.build(base, **settings)
    base.unet.train()
    fake, real = count_activations(base.unet, SHAPE, dropout=None), real_peak(base)
    assert fake == pytest.approx(real, rel=0.05)


def test_equals_torchs_own_tracker(make_base: MakeBase) -> None:
    """MemTracker counts the same storages, besides parameters and gradients, without rounding up."""
    base = make_base()
    base.unet.train().requires_grad_(True)  # it hooks every parameter
    trainable = flatten(dict(base.unet.named_parameters()))
    inputs = real_inputs()
    tracker = MemTracker()
    tracker.track_external(base.unet, trainable.values, trainable.gradient, *inputs)
    with tracker:
        run_loss_pass(base.unet, *inputs)
    theirs = tracker.get_tracker_snapshot("peak")[CPU]["Total"]
    held = tracker.get_tracker_snapshot("current")[CPU]["Total"]
    with PeakCounter(ExactBytes()) as counter:
        run_loss_pass(base.unet, *inputs)
    assert counter.memory.peak == pytest.approx(theirs - held, rel=0.1)


def saved_and_foreseen(base: BaseModel, **settings: Any) -> tuple[int, int, list[int]]:
    """Bytes that autograd saves in a forward pass, by its own hooks; those foreseen; of each LoRA layer's output."""
    config = TrainConfig(lora_dropout=0.0, gradient_checkpointing=False, **settings)
    prepare_model(base, config, CPU, "bf16")
    run_by_position(base.unet, dropout=0.0)
    own = {value.untyped_storage().data_ptr() for value in (*base.unet.parameters(), *base.unet.buffers())}
    saved: dict[int, int] = {}
    outputs: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = -(-storage.nbytes() // 512) * 512
        return tensor  # and so keeps it, that no other has its address

    for layer in base.unet.modules():
        if isinstance(layer, LoraLinear):
            layer.register_forward_hook(lambda layer, inputs, output: outputs.append(-(-output.nbytes // 512) * 512))
    noisy, timesteps, embeds, *_ = real_inputs()
    base.unet.train()
    with single_precision_norms(base.unet), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = base.unet(noisy, timesteps, embeds).sample
    del output
    for layer in base.unet.modules():
        layer._forward_hooks.clear()
    return sum(saved.values()), count_activations(base.unet, SHAPE, dropout=None), outputs


@pytest.mark.slow
def test_what_dora_saves_is_foreseen(make_base: MakeBase) -> None:
    """For the gradient of the lengths m: W x + s B A x of each layer, as large as its output, besides LoRA's.

    y = m / |W + s B A| (W x + s B A x). The norm is a constant to the gradient (Liu et al. 2024, section 4.3), so that
    W + s B A is not saved.
    """
    plain, plain_foreseen, _ = saved_and_foreseen(make_base())
    saved, foreseen, outputs = saved_and_foreseen(make_base(), lora_dora=True)
    vectors = 4 * 512 * len(outputs)  # one number a row: m, the norm, their ratio, what it is saved for
    assert sum(outputs) <= saved - plain <= sum(outputs) + vectors
    assert foreseen - plain_foreseen == pytest.approx(saved - plain, rel=0.05)
    for count, real in ((plain_foreseen, plain), (foreseen, saved)):
        assert real < count < 1.3 * real, "besides what is saved, what passes by at the peak"


@pytest.mark.slow
def test_nothing_is_left_changed(make_base: MakeBase) -> None:
    base = make_base()
    rig = Rig.build(base, dropout=0.1)
    rig.trainable.gradient.fill_(0.25)
    base.unet.eval()
    before = {name: value.clone() for name, value in base.unet.state_dict().items()}
    with_masks = count_activations(base.unet, SHAPE, dropout=rig.dropout)
    assert with_masks > count_activations(base.unet, SHAPE, dropout=None)
    assert not base.unet.training
    assert rig.dropout is not None
    assert not rig.dropout.active
    assert (rig.trainable.gradient == 0.25).all()
    assert all(torch.equal(value, before[name]) for name, value in base.unet.state_dict().items())
    assert type(next(base.unet.parameters())) is nn.Parameter
    rig.trainable.gradient.zero_()
    rig.run(until=1)  # masks and parameters serve real numbers still


@pytest.mark.slow
def test_each_part_by_arithmetic(make_base: MakeBase) -> None:
    base = make_base()
    _, trainable = prepare_model(base, TrainConfig(training_method="full"), CPU, "fp32")
    parameters = sum(p.numel() for p in base.unet.parameters())
    memory = foresee_step(
        base.unet, trainable, SHAPE, modules=(base.unet,), optimizer="adamw", averages=3, dropout=None
    )
    assert memory.weights == 4 * parameters
    assert memory.gradients == 4 * parameters
    assert memory.optimizer == 8 * parameters
    assert memory.averages == 12 * parameters
    assert memory.total == memory.held + memory.activations


def test_every_optimizer_of_the_settings_is_foreseen() -> None:
    """Prodigy: two moments, the sum of gradients and the values that it began with (prodigyopt's state)."""
    choices = get_args(OptimizationOptions.model_fields["algorithm"].annotation)
    assert {name: MOMENT_BYTES[name] for name in choices} == {"adamw": 8, "adamw-8bit": 2, "prodigy": 16}


def test_half_of_the_frozen_weights_is_held_in_half_precision(make_base: MakeBase) -> None:
    single, half = make_base(), make_base()
    prepare_model(half, TrainConfig(mixed_precision="bf16"), CPU, "bf16")
    assert 0.5 < held_bytes((half.unet,)) / held_bytes((single.unet,)) < 0.75
    half.unet.to("meta")
    assert held_bytes((half.unet,)) == 0, "what was freed"


def test_what_reads_the_prompts_makes_the_unet_keep_its_activations(make_base: MakeBase) -> None:
    """Textual inversion trains nothing of the UNet, and its gradient goes through it."""
    base = make_base()
    shape = PassShape(images=4, channels=4, side=8, tokens=7, width=16, prompt_gradient=True)
    assert count_activations(base.unet, shape, dropout=None) > 0


def test_norms_are_in_single_precision_as_on_a_card() -> None:
    """What CUDA's autocast gives for a half precision input: https://docs.pytorch.org/docs/stable/amp.html."""
    x, norm = torch.ones(2, 8, 4, 4, dtype=torch.bfloat16), nn.GroupNorm(2, 8)
    with torch.autocast("cpu", torch.bfloat16):
        with single_precision_norms(nn.Sequential(norm)):
            assert norm(x).dtype == torch.float32
        assert norm(x).dtype == torch.bfloat16
        assert not norm._forward_pre_hooks


MEMORY = StepMemory(weights=4 * GIB, gradients=2 * GIB, optimizer=4 * GIB, averages=6 * GIB, activations=8 * GIB)


@pytest.mark.parametrize(("limit", "expected"), [(24, 8), (18, 2), (17, 1), (16.5, 0), (16, 0), (10, 0), (40, 24)])
def test_what_fits(limit: float, expected: int) -> None:
    """16 GiB held, and a GiB an image."""
    assert largest_micro_batch(MEMORY, images=8, limit=int(limit * GIB)) == expected


def proposals(card: int, **settings: Any) -> list[str]:
    config = TrainConfig(training_method="full", **settings)
    return [line.split(" (")[0] for line in propose_fit(MemoryPlan(MEMORY, 8, card * GIB), config)]


def test_proposals_begin_with_what_changes_least() -> None:
    assert proposals(20) == ["batch_size_per_gpu: 2, gradient_accumulation: 8"]
    assert proposals(20, gradient_checkpointing=False)[1] == "gradient_checkpointing: true"
    assert proposals(16, post_hoc_ema=True) == [
        "optimizer: adamw-8bit",
        "post_hoc_ema: false",
        "ema: false",
        "training_method: lora",
    ]
    assert proposals(16, optimizer="adamw-8bit", ema=False) == ["training_method: lora"]


def test_the_plan_says_what_fits_and_proposes_only_what_is_needed() -> None:
    fits, does_not = (list(memory_lines(MemoryPlan(MEMORY, 8, card * GIB), TrainConfig(), "bf16")) for card in (48, 24))
    assert len(fits) == 1
    assert "24.00 GiB foreseen for a step in bf16 (weights 4.00, gradients 2.00" in fits[0]
    assert "48 GiB hold 27 images" in fits[0]
    assert does_not[1].startswith("to fit       batch_size_per_gpu: 5, gradient_accumulation: 4")
