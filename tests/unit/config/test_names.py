"""Two names of each setting, flat and in its group, mean the same wherever settings are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.config.load import load_train_config
from woundgen.config.method_groups import LoraOptions
from woundgen.config.names import flatten_settings, setting_names
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError


@pytest.mark.parametrize("override", ["lora_rank=8", "lora.rank=8", "lora={rank: 8}"])
def test_flat_dotted_and_grouped_names_are_one(override: str) -> None:
    assert load_train_config(None, [override]) == TrainConfig(lora=LoraOptions(rank=8))


def test_an_override_stands_above_the_file_whichever_names_they_use(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("lora: {rank: 4, alpha: 1e1}\noptimization.learning_rate: 1e-3\n")
    config = load_train_config(path, ["lora_rank=2", "optimization.learning_rate=2e-3"])
    assert (config.lora.rank, config.lora.alpha, config.optimization.learning_rate) == (2, 10, 2e-3)


def test_a_setting_under_two_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("lora: {rank: 4}\nlora_rank: 8\n")
    with pytest.raises(UserError, match="lora_rank appears twice"):
        load_train_config(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora.rnk=3", "unknown key 'lora.rnk', did you mean 'lora.rank'"),
        ("lora.rank=0", "lora_rank = 0: input should be greater than or equal to 1"),
        ("lora=3", "lora = 3"),
    ],
)
def test_problems_are_named(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_train_config(None, [override])


def test_the_stored_form_is_flat_and_reads_back() -> None:
    """As run.json and checkpoints hold it, today's and those of before there were groups."""
    config = TrainConfig(lora=LoraOptions(rank=3), seed=4)
    assert set(config.flat()) == set(setting_names(TrainConfig))
    assert TrainConfig.model_validate(config.flat()) == config
    assert flatten_settings(config.model_dump(), TrainConfig)["lora_rank"] == 3


def test_with_values_changes_a_copy() -> None:
    config = TrainConfig()
    changed = config.with_values(lora_rank=3, seed=4)
    assert (changed.lora.rank, changed.seed, changed.lora.alpha) == (3, 4, 32)
    assert (config.lora.rank, config.seed) == (16, 0)
