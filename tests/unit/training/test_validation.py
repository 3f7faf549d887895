"""A validation loss that moves only when the weights do, and stopping that waits for more than noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.diffusion.objective import clean_estimate
from woundgen.generation.in_memory import DrawParts, draw_images
from woundgen.models.base import BaseModel, encode_prompts
from woundgen.models.flat_parameters import flatten, temporarily_load
from woundgen.models.unet_pass import RecordedPasses, UNetPass, plain_pass
from woundgen.models.verified_unet import TOLERANCES
from woundgen.training.validation import EarlyStopping, ValidationGrid, build_grid, per_image_loss
from woundgen.workflows.train.model import unet_pass_for_evaluation

from ..recorders import StandIn

TEXT = torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(2))


def prompt_embeds(rows: Tensor) -> Tensor:
    return TEXT[rows]


def latents() -> Tensor:
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def grid(loaded_base: BaseModel) -> ValidationGrid:
    return build_grid(
        latents(), alphas_cumprod=loaded_base.alphas_cumprod, prediction="v_prediction", timesteps=4, seed=0
    )


def test_every_image_at_the_middle_of_each_stratum(grid: ValidationGrid) -> None:
    """Four strata of 1000 timesteps: 0-249, 250-499, 500-749, 750-999."""
    assert grid.timesteps.tolist() == [125, 375, 625, 875] * 3
    assert grid.rows.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_two_evaluations_are_equal(grid: ValidationGrid, loaded_base: BaseModel) -> None:
    """To the bit, whatever was drawn in between; and a grid built again is the same one."""
    first = per_image_loss(loaded_base.unet, grid, prompt_embeds, batch=5)
    torch.rand(3)
    again = build_grid(
        latents(), alphas_cumprod=loaded_base.alphas_cumprod, prediction="v_prediction", timesteps=4, seed=0
    )
    assert torch.equal(per_image_loss(loaded_base.unet, again, prompt_embeds, batch=5), first)


def test_the_batch_size_does_not_matter(grid: ValidationGrid, loaded_base: BaseModel) -> None:
    losses = [per_image_loss(loaded_base.unet, grid, prompt_embeds, batch=batch) for batch in (1, 5, 100)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=0)
    torch.testing.assert_close(losses[0], losses[2], rtol=1e-5, atol=0)


def test_an_images_loss_is_its_own(grid: ValidationGrid, loaded_base: BaseModel) -> None:
    """By hand for the second image: mean over its four entries and all their values."""
    total = 0.0
    for entry in range(4, 8):
        noisy, step = grid.noisy[entry : entry + 1], grid.timesteps[entry : entry + 1]
        with torch.no_grad():
            output = loaded_base.unet(noisy, step, TEXT[1:2]).sample
        total += (output - grid.target[entry]).square().mean().item() / 4
    found = per_image_loss(loaded_base.unet, grid, prompt_embeds, batch=5)
    assert found.shape == (3,)
    assert found[1].item() == pytest.approx(total, rel=1e-5)


def test_inputs_and_targets_belong_together(grid: ValidationGrid, loaded_base: BaseModel) -> None:
    """The target, taken for the output, gives back the photograph's latents at every timestep."""
    clean = clean_estimate(grid.noisy, grid.target, grid.timesteps, loaded_base.alphas_cumprod, "v_prediction")
    torch.testing.assert_close(clean, latents()[grid.rows], rtol=1e-5, atol=1e-5)


def test_an_output_of_zero_costs_the_target(grid: ValidationGrid, make_base: Callable[[], BaseModel]) -> None:
    unet = make_base().unet
    with torch.no_grad():
        unet.conv_out.weight.zero_()
        unet.conv_out.bias.zero_()
    found = per_image_loss(unet, grid, prompt_embeds, batch=4)
    expected = grid.target.square().flatten(1).mean(1).view(3, 4).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back(training: bool, grid: ValidationGrid, make_base: Callable[[], BaseModel]) -> None:
    unet = make_base().unet.train(training)
    per_image_loss(unet, grid, prompt_embeds, batch=4)
    assert unet.training is training


def test_recordings_read_the_weights_of_the_moment_and_do_not_pile_up(
    grid: ValidationGrid, make_base: Callable[[], BaseModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three evaluations of other weights by one recorder: validation in batches of 5 and 2, drawing in blocks of 2.

    A recording reads memory: weights that are loaded for an evaluation have to stand where the trained ones stood.
    """
    monkeypatch.setattr("woundgen.generation.in_memory.BLOCK", 2)
    base = make_base()
    trainable = flatten({name: p.requires_grad_() for name, p in base.unet.named_parameters() if "to_q" in name})
    begun = trainable.values.detach().clone()
    recorder, faults = StandIn(), list[str]()
    recorded = unet_pass_for_evaluation(recorder, "fp32", faults=faults)
    places = {parameter.data_ptr() for parameter in base.unet.parameters()}
    ways, evaluations = (plain_pass, recorded), []
    for factor in (1.0, 3.0, -2.0):
        with temporarily_load(trainable, factor * begun, base):
            assert {parameter.data_ptr() for parameter in base.unet.parameters()} == places
            evaluations.append([_evaluate(base, grid, way) for way in ways])
    for (loss, images), (recorded_loss, recorded_images) in evaluations:
        assert torch.equal(recorded_loss, loss)
        np.testing.assert_array_equal(recorded_images, images)
    assert len({losses.sum().item() for (losses, _), _ in evaluations}) == 3
    assert sorted(recorder.shapes) == [(2, 4, 8, 8), (2, 4, 8, 8), (4, 4, 8, 8), (5, 4, 8, 8)]
    assert not faults


def _evaluate(base: BaseModel, grid: ValidationGrid, unet_pass: UNetPass) -> tuple[Tensor, NDArray[np.uint8]]:
    """Validation loss, and pictures of 2 steps without and with guidance."""
    losses = per_image_loss(base.unet, grid, prompt_embeds, batch=5, unet_pass=unet_pass)
    settings = {"count": 1, "prompt": "wound", "negative_prompt": "", "steps": 2, "seed": 0, "size": 32}
    parts = DrawParts(lambda texts: encode_prompts(base, texts), unet_pass)
    drawn = [draw_images(base, guidance_scale=scale, parts=parts, **settings) for scale in (1.0, 2.0)]
    return losses, np.concatenate(drawn)


def test_evaluation_is_recorded_where_training_is() -> None:
    """In half precision within its bound, though the UNet's output is cast to single."""
    assert unet_pass_for_evaluation(None, "bf16", faults=[]) is plain_pass
    recorded = unet_pass_for_evaluation(StandIn(), "bf16", faults=[])
    assert isinstance(recorded, RecordedPasses)
    assert recorded.tolerances[torch.float32] == TOLERANCES[torch.bfloat16]


def test_the_first_evaluation_is_the_best_so_far() -> None:
    stopping = EarlyStopping(patience=2)
    assert stopping.update([1.0, 2.0])
    assert not stopping.exhausted


def test_better_means_beyond_the_paired_error() -> None:
    """Decreases of .1, .2, .3: mean .2, standard error .1/sqrt(3) = .058. Of .3, -.1, -.1: mean .03, error .13."""
    best = [1.0, 2.0, 3.0]
    assert EarlyStopping(patience=1, best=best).update([0.9, 1.8, 2.7])
    assert not EarlyStopping(patience=1, best=best).update([0.7, 2.1, 3.1])
    assert not EarlyStopping(patience=1, best=best).update([1.1, 2.2, 3.3])
    assert not EarlyStopping(patience=1, best=best).update(best)


def test_pairs_see_what_the_spread_of_images_would_hide() -> None:
    """Losses from 0.1 to 10 that all fall by about 1 %: far inside the spread, and clear in pairs."""
    best = [0.1, 1.0, 10.0, 5.0]
    assert EarlyStopping(patience=1, best=best).update([0.99 * loss for loss in best])


def test_equal_decreases_and_one_image_have_no_error() -> None:
    assert EarlyStopping(patience=1, best=[2.0, 3.0]).update([1.5, 2.5])
    assert EarlyStopping(patience=1, best=[2.0]).update([1.999])
    assert not EarlyStopping(patience=1, best=[2.0]).update([2.0])


def test_patience() -> None:
    """Two evaluations without a better one end it; a better one starts the count again; 0 waits for ever."""
    stopping = EarlyStopping(patience=2)
    worse, best, better = [1.2, 2.2], [1.0, 2.0], [0.5, 1.5]
    outcomes = []
    for losses in (best, worse, better, worse, worse):
        stopping.update(losses)
        outcomes.append(stopping.exhausted)
    assert outcomes == [False, False, False, False, True]
    endless = EarlyStopping(patience=0, best=best, waited=1000)
    assert not endless.exhausted


def test_a_checkpoint_can_hold_it() -> None:
    """Through JSON to the bit, so that a resumed run decides as the uninterrupted one."""
    stopping = EarlyStopping(patience=3, best=(torch.rand(5, generator=torch.Generator().manual_seed(1)) / 3).tolist())
    stored = json.loads(json.dumps({"best": stopping.best, "waited": stopping.waited}))
    assert replace(stopping, **stored) == stopping
