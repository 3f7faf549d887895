"""How long the trials of a space train: by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from woundgen.config.train import TrainConfig
from woundgen.tuning.effort import largest_rank, mean_samples
from woundgen.tuning.space import Space, default_space, settings_for, start_values
from woundgen.tuning.space_changes import change_space

APPROVED: dict[str, Any] = {
    "base_model": "embedded",
    "batch_size_per_gpu": 8,
    "gradient_accumulation": 2,
    "planned_devices": 2,
    "lr_warmup_steps": 100,
    "lora_rank": 16,
}


def space(*fixed: str, **settings: Any) -> tuple[Space, TrainConfig]:
    config = TrainConfig.model_validate(APPROVED | settings)
    return change_space(default_space(config, steps=313), config, fixed=fixed, searched=()), config


def test_trials_of_the_embedded_base_are_short() -> None:
    """800 to 2560 samples in batches of 16, log-uniform: (160 - 50) / ln(160 / 50) steps on the mean."""
    default, config = space()
    bounds = {entry.key: entry for entry in default.trained}
    assert (bounds["max_steps"].low, bounds["max_steps"].high) == (50, 160)
    assert bounds["gradient_accumulation"].choices == (1,)
    assert mean_samples(default, config, steps=313) == pytest.approx(16 * 110 / math.log(160 / 50))
    assert largest_rank(default, config) == 4


def test_trials_of_stable_diffusion_keep_their_batch() -> None:
    default, config = space(base_model="stabilityai/stable-diffusion-2-1-base", train_resolution=512)
    bounds = {entry.key: entry for entry in default.trained}
    assert (bounds["max_steps"].low, bounds["max_steps"].high) == (156, 626)
    assert "gradient_accumulation" not in bounds
    assert mean_samples(default, config, steps=313) == pytest.approx(32 * 470 / math.log(626 / 156))


def test_a_warm_up_follows_the_steps() -> None:
    """The start keeps its own; a trial of 200 steps warms up for a twentieth of them."""
    default, config = space()
    values = start_values(default, config, steps=313)
    assert settings_for(default, values, config)["lr_warmup_steps"] == 100
    settings = settings_for(default, {**values, "max_steps": 200, "lr_warmup_steps": 0.05}, config)
    assert settings["lr_warmup_steps"] == 10
    assert isinstance(settings["lr_warmup_steps"], int)
    TrainConfig.model_validate(config.flat() | settings)
    short = space(lr_warmup_steps=5)[0]
    assert all(entry.key != "lr_warmup_steps" for entry in short.trained)


def test_fixed_steps_keep_their_warm_up() -> None:
    fixed, config = space("max_steps")
    assert {"max_steps", "lr_warmup_steps"}.isdisjoint(entry.key for entry in fixed.trained)
    assert mean_samples(fixed, config, steps=313) == 313 * 16
