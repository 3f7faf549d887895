"""The search space: bounds, choices, ratios, and what the user fixes, bounds or adds."""

from __future__ import annotations

from typing import Any

import pytest

from woundgen.config.load import load_train_config
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.tuning.space import Space, default_space, settings_for, start_values
from woundgen.tuning.space_changes import change_space
from woundgen.workflows.demo.job import PRESET


def config(**settings: Any) -> TrainConfig:
    return TrainConfig.model_validate({"base_model": "embedded", **settings})


def changed(*, fixed: tuple[str, ...] = (), searched: tuple[str, ...] = (), **settings: Any) -> Space:
    start = config(**settings)
    return change_space(default_space(start, steps=200), start, fixed=fixed, searched=searched)


def dimension(space: Space, key: str) -> Any:
    return next((one for one in space.trained if one.key == key), None)


def test_defaults_follow_base_and_method() -> None:
    embedded, diffusion = default_space(config(), steps=200), default_space(TrainConfig(), steps=200)
    preset = load_train_config(PRESET)
    assert dimension(embedded, "learning_rate").high > dimension(diffusion, "learning_rate").high
    assert dimension(embedded, "train_resolution") is None
    assert dimension(diffusion, "train_resolution").choices == (128, 256)
    whole = default_space(config(training_method="full"), steps=200)
    assert dimension(whole, "lora_rank") is None
    assert dimension(whole, "learning_rate").high < dimension(embedded, "learning_rate").high
    steps = dimension(embedded, "max_steps")
    assert (steps.whole, steps.log) == (True, True)
    assert embedded.drawn["guidance_scale"][0] == preset.sampling.guidance_scale, "as the shipped preset draws"
    assert (embedded.drawn["inference_steps_production"], diffusion.drawn["inference_steps_production"]) == (
        (15,),
        (25,),
    )
    assert dimension(default_space(config(optimizer="prodigy"), steps=9), "learning_rate").high == 1.0
    several = default_space(config(phases=["I", "R"]), steps=200)
    assert dimension(several, "prompts") is None, "one sentence for two phases is refused by training"


def test_alpha_is_a_ratio_of_the_rank() -> None:
    space, start = changed(), config(lora_rank=16, lora_alpha=32)
    values = start_values(space, start, steps=200)
    assert values["lora_alpha"] == 2.0
    assert settings_for(space, values, start)["lora_alpha"] == 32
    assert settings_for(space, {**values, "lora_rank": 64, "lora_alpha": 0.5}, start)["lora_alpha"] == 32
    without = changed(fixed=("lora_rank",))
    found = settings_for(without, {**start_values(without, start, steps=200), "lora_alpha": 0.5}, start)
    assert found["lora_alpha"] == 8
    assert "lora_rank" not in found


def test_the_start_is_within_its_own_space_where_it_can_be() -> None:
    start = config(
        learning_rate=1e-3,
        lora_alpha=16,
        min_snr_gamma=5.0,
        batch_size_per_gpu=16,
        gradient_accumulation=1,
        planned_devices=1,
        lr_warmup_steps=5,
    )
    space = default_space(start, steps=150)
    values = start_values(space, start, steps=150)
    assert values["max_steps"] == 150, "the config counts epochs"
    assert all(one.contains(values[one.key]) for one in space.trained)
    assert settings_for(space, values, start).items() >= {"learning_rate": 1e-3, "min_snr_gamma": 5.0}.items()


def test_fixed_bounded_and_added() -> None:
    space = changed(
        fixed=("lora_rank", "guidance_scale=2", "weights"),
        searched=("learning_rate=1e-4..5e-4", "weight_decay=0..0.1", "lora_dropout=[0, 0.1]", "token_vectors=1..4"),
    )
    assert dimension(space, "lora_rank") is None
    assert space.drawn["guidance_scale"] == (2.0,)
    assert space.drawn["weights"] == ("ema",)
    rate, decay = dimension(space, "learning_rate"), dimension(space, "weight_decay")
    assert (rate.low, rate.high, rate.log) == (1e-4, 5e-4, False)
    assert (decay.low, decay.high, decay.log) == (0.0, 0.1, False)
    assert dimension(space, "lora_dropout").choices == (0, 0.1)
    assert dimension(space, "token_vectors").whole
    swept = changed(searched=("guidance_interval=[[0, 1], [0.2, 0.8]]", "inference_steps_production=[10, 20]"))
    assert swept.drawn["guidance_interval"] == ((0.0, 1.0), (0.2, 0.8))
    assert swept.drawn["inference_steps_production"] == (10, 20)


def test_dotted_names_serve() -> None:
    assert dimension(changed(searched=("optimization.weight_decay=0..0.1",)), "weight_decay") is not None


@pytest.mark.parametrize(
    ("fixed", "searched", "told"),
    [
        ((), ("rank=1..2",), "no such setting"),
        ((), ("learning_rate",), "gives no values"),
        ((), ("learning_rate=a..b",), "no range"),
        ((), ("learning_rate=1e-3..1e-5",), "not below"),
        ((), ("learning_rate=1e-5..5",), "learning_rate = 5.0: .* less than"),
        ((), ("prompts=[short, long]",), "prompts = 'long': "),
        ((), ("learning_rate=1e-4",), "nothing to search"),
        ((), ("lora_rank=[4, 4]",), "nothing to search"),
        ((), ("guidance_scale=[]",), "nothing to search"),
        ((), ("lora_rank=[4, 8]", "lora.rank=[4, 16]"), "more than once"),
        (("lora_rank",), ("lora_rank=[4, 8]",), "to --search and to --fix"),
        (("guidance_scale=2",), ("guidance_scale=[2, 3]",), "to --search and to --fix"),
        ((), ("guidance_scale=1..3",), "swept over a list"),
        ((), ("guidance_scale=[0.5]",), "below 1"),
        ((), ("guidance_interval=[[0.9, 0.1]]",), "cannot be drawn with"),
        ((), ("resolution=[128]",), "same in every trial"),
        (("learning_rate=1e-4",), (), "--set"),
        (("weights=ema@9",), (), "weights"),
    ],
)
def test_mistakes(fixed: tuple[str, ...], searched: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        changed(fixed=fixed, searched=searched)


def test_nothing_left_to_search() -> None:
    keys = [one.key for one in default_space(config(), steps=200).trained]
    with pytest.raises(UserError, match="nothing to search"):
        changed(fixed=tuple(keys))
