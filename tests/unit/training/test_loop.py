"""The training loop: one step by hand, any split of the batch, and a resume that leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from woundgen.diffusion.randomness import batch_rows, normal, stratified_timesteps, uniform
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.storage.checkpoint import read_checkpoint, write_checkpoint
from woundgen.training.loop import NON_FINITE_LIMIT
from woundgen.training.loop_state import LoopState
from woundgen.training.state import counters, pack, unpack

from .rig import IMAGES, RATE, VARIATIONS, Rig, photographs, prompt_embeds

MakeBase = Callable[[], BaseModel]
EVERYTHING: dict[str, Any] = {"dropout": 0.1, "prompt_dropout": 0.3, "min_snr_gamma": 5.0, "noise_offset": 0.05}


def test_the_first_loss_by_hand(make_base: MakeBase) -> None:
    """Variation, posterior sample, noise and timestep of each slot; then the mean squared error of v."""
    base = make_base()
    rows = batch_rows(3, 0, batch=4, size=IMAGES)
    timesteps = stratified_timesteps(3, 0, range(4), batch=4, count=1000)
    total = 0.0
    for slot, (row, step) in enumerate(zip(rows, timesteps.tolist(), strict=True)):
        latents = photographs()
        pick = int(uniform(3, "variation", 0, slot) * VARIATIONS)
        sample = latents.mean[row, pick] + latents.deviation[row, pick] * normal((4, 8, 8), 3, "posterior", 0, [slot])
        clean, noise = 0.5 * sample, normal((4, 8, 8), 3, "noise", 0, [slot])
        abar = base.alphas_cumprod[step]
        noisy = abar.sqrt() * clean + (1 - abar).sqrt() * noise
        velocity = abar.sqrt() * noise - (1 - abar).sqrt() * clean
        with torch.no_grad():
            output = base.unet(noisy, torch.tensor([step]), prompt_embeds([row], [False])).sample
        total += (output - velocity).square().mean().item() / 4
    run = Rig.build(make_base(), steps=1).run()
    assert run.losses[0] == pytest.approx(total, rel=1e-5)
    assert (run.reports[0].step, run.reports[0].epoch, run.reports[0].learning_rate) == (1, 4 / IMAGES, RATE)


def test_the_first_update_is_adamws(make_base: MakeBase) -> None:
    """Its first step is lr * sign(gradient) and the decay lr * 0.01 * value; its EMA is 0.1 old, 0.9 new."""
    run = Rig.build(make_base(), steps=1)
    start = run.values.clone()
    run.run()
    moment = run.optimizer.state[run.trainable.values]["exp_avg"]
    moved = moment.abs() > 1e-5  # elsewhere AdamW's epsilon counts
    assert moved.sum() > 100
    expected = start * (1 - 0.01 * RATE) - RATE * moment.sign()
    torch.testing.assert_close(run.values[moved], expected[moved], rtol=1e-3, atol=1e-5)
    assert run.state.average is not None
    torch.testing.assert_close(run.state.average, 0.1 * start + 0.9 * run.values, rtol=1e-5, atol=1e-7)
    assert not run.trainable.gradient.any(), "gradient left for the next step"


def test_the_gradient_is_clipped(make_base: MakeBase) -> None:
    """AdamW's first moment is a tenth of the clipped gradient; what is reported is the norm before."""
    run = Rig.build(make_base(), steps=1, max_gradient_norm=1e-3).run()
    moment = run.optimizer.state[run.trainable.values]["exp_avg"]
    assert moment.norm().item() == pytest.approx(0.1 * 1e-3, rel=1e-4)
    assert run.reports[0].gradient_norm > 1e-2


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_the_split_of_the_batch_does_not_matter(micro_batch: int, make_base: MakeBase) -> None:
    """With dropout, prompt dropout and weighted losses, and a last micro-batch of one.

    Losses to 1e-6; gradients are sums over samples, which single precision adds in another order: 1e-5.
    """
    whole = Rig.build(make_base(), steps=2, **EVERYTHING)
    start = whole.values.clone()
    whole.run()
    split = Rig.build(make_base(), steps=2, micro_batch=micro_batch, **EVERYTHING).run()
    assert split.losses == pytest.approx(whole.losses, rel=1e-6)
    norms = [[report.gradient_norm for report in run.reports] for run in (split, whole)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    moments = [run.optimizer.state[run.trainable.values]["exp_avg"] for run in (split, whole)]
    assert (moments[0] - moments[1]).norm() <= 1e-5 * moments[1].norm()
    assert (split.values - whole.values).norm() <= 1e-4 * (whole.values - start).norm()


def save_and_load(run: Rig, fresh: Rig, folder: Path) -> Rig:
    """The state of `run` through a checkpoint on disk into `fresh`."""
    write_checkpoint(folder, "half", state=counters(run.state), tensors=pack(run.trainable, run.optimizer, run.state))
    saved = read_checkpoint(folder / "half")
    fresh.state = unpack(saved.tensors, saved.state, trainable=fresh.trainable, optimizer=fresh.optimizer)
    return fresh


def bits(run: Rig) -> dict[str, bytes]:
    """Every tensor that a checkpoint would hold."""
    return {name: t.numpy().tobytes() for name, t in pack(run.trainable, run.optimizer, run.state).items()}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_resume_leaves_no_trace(checkpointing: bool, make_base: MakeBase, tmp_path: Path) -> None:
    """Promise 1: byte-equal values, EMA, moments and losses, whatever was drawn in between."""
    whole = Rig.build(make_base(), checkpointing=checkpointing, **EVERYTHING).run()
    first = Rig.build(make_base(), checkpointing=checkpointing, **EVERYTHING).run(until=3)
    fresh = Rig.build(make_base(), checkpointing=checkpointing, **EVERYTHING)
    torch.rand(7)
    second = save_and_load(first, fresh, tmp_path).run()
    assert [report.step for report in second.reports] == [4, 5, 6]
    assert bits(second) == bits(whole)
    assert len(bits(whole)) == 5, "values, average, two moments, step"
    assert first.losses + second.losses == whole.losses


def test_a_loaded_state_is_its_own(make_base: MakeBase, tmp_path: Path) -> None:
    """Training on must not write into the tensors that were packed."""
    run = Rig.build(make_base()).run(until=2)
    packed = pack(run.trainable, run.optimizer, run.state)
    kept = {name: tensor.clone() for name, tensor in packed.items()}
    run.run()
    assert all(torch.equal(packed[name], kept[name]) for name in kept)


class Spoilt(nn.Module):
    """The base's UNet, whose output is not a number in the given calls."""

    def __init__(self, unet: nn.Module, *, calls: set[int]) -> None:
        super().__init__()
        self.unet, self.calls, self.call = unet, calls, 0

    def forward(self, *inputs: Tensor) -> SimpleNamespace:
        output = self.unet(*inputs).sample
        self.call += 1
        return SimpleNamespace(sample=output * torch.nan if self.call - 1 in self.calls else output)


def test_a_step_that_is_not_finite_is_skipped_and_counted(make_base: MakeBase) -> None:
    """The second of three steps: values, moments and EMA stay as after the first, and training goes on."""
    run = Rig.build(make_base(), steps=3)
    spoilt = Spoilt(run.base.unet, calls={1})
    first = bits(run.run(until=1, unet=spoilt))
    assert bits(run.run(until=2, unet=spoilt)) == first
    assert (run.state.step, run.state.skipped, run.state.skipped_in_a_row) == (2, 1, 1)
    run.run(unet=spoilt)
    assert (run.state.step, run.state.skipped, run.state.skipped_in_a_row) == (3, 1, 0)
    assert bits(run) != first
    assert run.values.isfinite().all()
    assert run.state.average is not None
    assert run.state.average.isfinite().all()


def test_one_bad_micro_batch_skips_the_whole_step(make_base: MakeBase) -> None:
    run = Rig.build(make_base(), steps=1, micro_batch=1)
    before = run.values.clone()
    run.run(unet=Spoilt(run.base.unet, calls={2}))
    assert torch.equal(run.values, before)
    assert run.state.skipped == 1


def test_too_many_in_a_row_end_the_run(make_base: MakeBase) -> None:
    run = Rig.build(make_base(), steps=20)
    bad = set(range(2, 20))
    with pytest.raises(UserError, match=f"not finite for {NON_FINITE_LIMIT} steps in a row") as caught:
        run.run(unet=Spoilt(run.base.unet, calls=bad))
    assert "learning_rate" in caught.value.fix
    assert run.state.skipped == NON_FINITE_LIMIT
    assert run.values.isfinite().all()


def test_a_skipped_step_is_reported_as_it_was(make_base: MakeBase) -> None:
    """Never as a loss of 0."""
    run = Rig.build(make_base(), steps=2)
    run.run(unet=Spoilt(run.base.unet, calls={0}))
    assert [report.skipped for report in run.reports] == [True, False]
    assert math.isnan(run.reports[0].loss)
    assert run.reports[1].loss > 0


def test_back_at_half_the_rate_and_then_the_end(make_base: MakeBase) -> None:
    """Bad from step 3 on, whatever the rate: back to step 2 once, at half the rate, then a stop that says so."""
    run = Rig.build(make_base(), steps=20)
    run.run(until=2)
    saved = (
        {name: t.clone() for name, t in pack(run.trainable, run.optimizer, run.state).items()},
        counters(run.state),
    )
    calls = []

    def go_back() -> bool:
        calls.append(run.state.step)
        found = unpack(*saved, trainable=run.trainable, optimizer=run.optimizer)
        for name in LoopState.__dataclass_fields__:
            setattr(run.state, name, getattr(found, name))
        return True

    run.reports.clear()
    bad = set(range(1, 40)) - {NON_FINITE_LIMIT + 1}
    with pytest.raises(UserError, match=r"again at 0\.5 of the learning rate"):
        run.run(unet=Spoilt(run.base.unet, calls=bad), go_back=go_back)
    assert calls == [2 + NON_FINITE_LIMIT]
    sound = [report for report in run.reports if not report.skipped]
    assert [report.step for report in sound] == [3, 3]
    assert [report.learning_rate for report in sound] == pytest.approx([RATE / 3, RATE / 6])
    assert sound[0].loss == sound[1].loss, "the same batch, from the same weights"


def test_an_update_that_overflows_goes_back_at_once(make_base: MakeBase) -> None:
    """Loss and gradient are finite, and the weights afterwards are not: no second step is made from them."""
    run = Rig.build(make_base(), steps=3)
    run.optimizer.param_groups[0]["weight_decay"] = -1e45
    with pytest.raises(UserError, match="not finite"):
        run.run()
    assert run.reports == []


@pytest.mark.parametrize("size", [1, 3])
def test_sets_smaller_than_the_batch(size: int, make_base: MakeBase) -> None:
    """One photograph, or three, in batches of four: cached variations and all."""
    few = photographs()
    latents = replace(few, mean=few.mean[:size], deviation=few.deviation[:size])
    run = Rig.build(make_base(), steps=3).run(latents=latents)
    assert [report.epoch for report in run.reports] == [4 / size, 8 / size, 12 / size]
    assert len(set(run.losses)) == 3


@pytest.mark.parametrize(
    "changed",
    [{"prompt_dropout": 1.0}, {"min_snr_gamma": 5.0}, {"noise_offset": 0.1}, {"seed": 4}, {"global_batch": 3}],
)
def test_each_setting_changes_the_loss(changed: dict[str, Any], make_base: MakeBase) -> None:
    plain, other = Rig.build(make_base(), steps=1).run(), Rig.build(make_base(), **{"steps": 1, **changed}).run()
    assert abs(other.losses[0] / plain.losses[0] - 1) > 1e-4


def test_dropout_of_the_adapter_shows_once_it_has_moved(make_base: MakeBase) -> None:
    """B is zero at first, so that the first loss is the base's own."""
    plain, dropped = (Rig.build(make_base(), steps=2, dropout=rate).run() for rate in (0.0, 0.1))
    assert dropped.losses[0] == plain.losses[0]
    assert dropped.losses[1] != plain.losses[1]


def test_masks_are_of_the_step_and_the_sample(make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Rig.build(make_base(), steps=2, global_batch=2, micro_batch=1, dropout=0.1)
    assert run.dropout is not None
    kept = run.dropout.kept
    seen: dict[int, list[Tensor]] = {}

    def note(layer: int, x: Tensor) -> Tensor:
        seen.setdefault(layer, []).append(kept(layer, torch.ones_like(x)))
        return kept(layer, x)

    monkeypatch.setattr(run.dropout, "kept", note)
    run.run()
    masks = next(iter(seen.values()))
    assert len(masks) == 4, "two steps of two samples"
    assert not any(torch.equal(a, b) for i, a in enumerate(masks) for b in masks[i + 1 :])


def test_noise_offset_is_one_number_a_channel(make_base: MakeBase) -> None:
    """At the last timesteps the network's input is nearly the noise itself, and its channel means move apart."""
    seen: dict[float, list[Tensor]] = {}
    for offset in (0.0, 1.0):
        run = Rig.build(make_base(), steps=8, noise_offset=offset)
        inputs = seen.setdefault(offset, [])
        run.base.unet.register_forward_pre_hook(lambda module, given, kept=inputs: kept.append(given[0].detach()))
        run.run()
    spreads = {offset: torch.cat(inputs).mean((2, 3)).std().item() for offset, inputs in seen.items()}
    assert spreads[0.0] < 0.3 < spreads[1.0]


def test_an_average_can_be_left_out(make_base: MakeBase) -> None:
    run = Rig.build(make_base(), steps=1)
    run.state.average = None
    run.run()
    assert "average" not in pack(run.trainable, run.optimizer, run.state)


def test_dropout_is_off_between_steps(make_base: MakeBase) -> None:
    """What looks at the model after a step sees no mask of that step."""
    run = Rig.build(make_base(), steps=1, dropout=0.1).run()
    assert run.dropout is not None
    assert not run.dropout.active


def test_where_the_wound_is_counts(make_base: MakeBase) -> None:
    """A region of weight on one corner of mean 1: the first loss is the weighted mean, by hand."""
    region = torch.zeros(IMAGES, VARIATIONS, 8, 8)
    region[..., :4, :4] = 4.0
    weighted = Rig.build(make_base(), steps=1).run(latents=replace(photographs(), region=region))
    plain = Rig.build(make_base(), steps=1).run()
    even = Rig.build(make_base(), steps=1).run(latents=replace(photographs(), region=torch.ones_like(region)))
    assert even.losses == plain.losses
    assert weighted.losses[0] != plain.losses[0]


def test_groups_are_seen_equally_often(make_base: MakeBase) -> None:
    """One photograph against four: half of the slots are the one's."""
    seen: list[int] = []
    run = Rig.build(make_base(), steps=4)
    latents = replace(photographs(), groups=((0,), (1, 2, 3, 4)))
    for step in range(4):
        seen += latents.rows(seed=3, step=step, batch=4)
    assert seen.count(0) == 8
    assert sorted(seen)[8:] == sorted([1, 2, 3, 4] * 2)
    run.run(latents=latents)
    assert run.losses != Rig.build(make_base(), steps=4).run().losses
