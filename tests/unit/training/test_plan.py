"""The plan, by hand, and the warnings that the user's first attempt would have needed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from woundgen.adapters.ema import share_of_start
from woundgen.config.train import TrainConfig
from woundgen.training.evaluation_plan import Wishes
from woundgen.training.learning_rate import schedule
from woundgen.training.plan import NOTHING_DRAWN, Plan, disk_bytes, make_plan

SETTINGS: dict[str, Any] = {
    "batch_size_per_gpu": 8,
    "gradient_accumulation": 4,
    "planned_devices": 1,
    "max_epochs": 100,
    "learning_rate": 1e-3,
    "lr_warmup_steps": 10,
    "ema_decay": 0.99,
    "guidance_scale": 1.5,
    "post_hoc_ema": False,
}


def plan(
    *,
    images: int = 100,
    evaluation: Wishes = NOTHING_DRAWN,
    processes: int = 1,
    native_pixels: int | None = None,
    **changed: Any,
) -> Plan:
    config = TrainConfig.model_validate(SETTINGS | changed)
    return make_plan(
        config,
        images=images,
        validation_images=18,
        evaluation=evaluation,
        processes=processes,
        native_pixels=native_pixels,
    )


def test_steps_and_epochs() -> None:
    """100 epochs of 100 photographs are 10 000, in batches of 32: 312.5, so 313 steps; 5 epochs are 16 of them."""
    found = plan()
    assert found.steps_per_epoch == 3.125
    assert found.steps == 313
    assert found.epochs == pytest.approx(100.16)
    assert (found.save_every, found.evaluate_every) == (16, 16)
    assert (found.global_batch, found.micro_batch) == (32, 8)
    assert found.warnings == ()


def test_a_set_smaller_than_the_batch() -> None:
    """7 photographs, 3 epochs: 21 of them, one step; and never less than one."""
    assert plan(images=7, max_epochs=3).steps == 1
    assert plan(images=2, max_epochs=1).steps == 1
    assert plan(images=7, max_epochs=3).save_every == 1


def test_steps_given_outright() -> None:
    found = plan(max_steps=200)
    assert (found.steps, found.epochs) == (200, 64.0)


def test_the_micro_batch_fits_into_the_batch() -> None:
    assert plan(processes=8).micro_batch == 4, "32 images, each of eight processes has work"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cosine", [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0]),
        ("linear", [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.0]),
        ("constant", [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_rates(kind: str, expected: list[float]) -> None:
    """Warm-up over 4 of 24 steps, then the middle (step 14) and the end (24) of what is left."""
    rate = schedule(kind, peak=2.0, steps=24, warmup=4)
    assert [rate(step) / 2 for step in (0, 1, 2, 3, 4, 14, 24)] == pytest.approx(expected)


def test_cosine_at_a_quarter() -> None:
    rate = schedule("cosine", peak=1.0, steps=100, warmup=0)
    assert rate(25) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rate(0) == 1.0


def test_the_share_that_ema_keeps() -> None:
    found = plan(ema_decay=0.9999, ema_warmup=False)
    assert found.ema_start_share == pytest.approx(0.9999**313)
    assert plan(ema=False).ema_start_share is None
    assert plan().ema_start_share == share_of_start(313, decay=0.99, warmup=True)


def consultation(**changed: Any) -> Plan:
    """Decision 5 as approved, on 100 photographs."""
    config = TrainConfig.model_validate({"ema_decay": 0.99, "post_hoc_ema": False} | changed)
    return make_plan(config, images=100, validation_images=18)


def test_the_approved_values_are_warned_of() -> None:
    """1e-5 over 313 steps, a warm-up of a third of them, guidance 12: one line each, with the way out."""
    rate, warmup, guidance = consultation().warnings
    assert "learning_rate 1e-05" in rate
    assert "1e-4 to 1e-3" in rate
    assert "lr_warmup_steps 100 is 32% of the run" in warmup
    assert "set lr_warmup_steps to 15" in warmup
    assert "guidance_scale 12" in guidance
    assert "1.5 to 3" in guidance


def test_ema_without_warmup_is_warned_of() -> None:
    """0.9999 over 313 steps: 97 % of the untrained weights, the "no difference" of the first attempt."""
    found = [line for line in consultation(ema_decay=0.9999, ema_warmup=False).warnings if "EMA" in line]
    assert len(found) == 1
    assert "97%" in found[0]
    assert "ema_warmup: true" in found[0]


def test_a_decay_that_is_never_reached_is_warned_of() -> None:
    """The average's warm-up stands at 314/323 = .972 after 313 steps."""
    assert any("ema_decay 0.9999 is never reached" in line for line in plan(ema_decay=0.9999).warnings)
    assert not any("never reached" in line for line in plan(ema_decay=0.97).warnings)


def test_a_handful_of_steps_is_warned_of() -> None:
    assert any("only 12 optimizer steps" in line for line in plan(max_steps=12, lr_warmup_steps=0).warnings)


def test_an_evaluation_dearer_than_its_share_is_warned_of() -> None:
    """Once at the end is the least there is; 3 steps of 32 are 288 passes, and 16 images at 12 steps 896."""
    wishes = Wishes(images=64, grid=16, sampler_steps=50, guided=True, kinds=2, share=0.5)
    found = [
        line for line in plan(max_steps=3, lr_warmup_steps=0, evaluation=wishes).warnings if "evaluation_share" in line
    ]
    assert len(found) == 1
    assert "311%" in found[0]
    assert not any("evaluation_share" in line for line in plan(evaluation=wishes).warnings)


def test_what_run_json_holds() -> None:
    content = plan().to_json()
    assert content["steps"] == 313
    assert content["warnings"] == []
    assert set(content["rates"]) == {"start", "quarter", "half", "end"}
    assert content["rates"]["end"] < 1e-6
    assert content["evaluation_images"] == 0


def test_few_snapshots_are_warned_of() -> None:
    """313 steps saved every 156: 3 saves."""
    found = plan(save_every_n_epochs=50, post_hoc_ema=True)
    assert found.saves == 3
    assert any("few for EMA of any length" in line and "save_every_n_epochs to 12" in line for line in found.warnings)
    assert plan(post_hoc_ema=True).warnings == ()


def test_a_size_far_below_the_bases_own_is_warned_of() -> None:
    """512-pixel Stable Diffusion at 128: half its size costs (256 / 128)^2 = 4 times a step, its own 16 times."""
    (line,) = plan(native_pixels=512).warnings
    assert "train_resolution: 512 or 256 (256 costs about 4 times a step, 512 costs about 16 times a step)" in line
    assert plan(native_pixels=128).warnings == ()


def test_disk_by_hand() -> None:
    """20 saves of raw, EMA and two snapshots; values, two moments and three averages of the newest 3 and the best."""
    found = plan()
    assert found.saves == 20
    assert disk_bytes(found, parameters=1000, averages=3, keep_last=3) == 4 * (20 * 4 * 1000 + 4 * 6 * 1000)
