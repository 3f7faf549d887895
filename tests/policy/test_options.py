"""docs/options.md and the schema are what scripts/make_options_table.py writes, and every setting is read."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from woundgen.config.names import setting_names
from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[2]
KEYS = [(model, flat) for model in (TrainConfig, QualityConfig) for flat in setting_names(model)]


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "make_options_table.py"))


def test_page_is_current(maker: dict[str, Any]) -> None:
    assert maker["page"]() == (ROOT / "docs" / "options.md").read_text(), "run scripts/make_options_table.py"


def test_schema_is_current(maker: dict[str, Any]) -> None:
    stored = json.loads((ROOT / "configs" / "train.schema.json").read_text())
    assert json.loads(json.dumps(maker["schema"]())) == stored, "run scripts/make_options_table.py"
    assert set(setting_names(TrainConfig)) <= set(stored["properties"]), "flat names"
    assert {"lora", "loss", "evaluation"} <= set(stored["properties"]), "groups"


def test_no_group_has_the_name_of_a_key() -> None:
    groups = {group for group, _ in setting_names(TrainConfig).values() if group}
    assert not groups & set(setting_names(TrainConfig))


@pytest.mark.parametrize(("model", "key"), KEYS, ids=[key for _, key in KEYS])
def test_every_key_is_read(maker: dict[str, Any], model: type, key: str) -> None:
    assert maker["readers"](model)[key], f"{key} is accepted and ignored"


def test_an_ignored_key_would_be_seen(maker: dict[str, Any]) -> None:
    """The search finds what is read straight, through a property and through a function, and nothing else."""
    files = maker["readers"](TrainConfig)
    assert files["weight_decay"] == ["workflows/train/model.py"]
    assert "training/plan.py" in files["gradient_accumulation"]  # through global_batch
    assert "workflows/train/evaluator.py" in files["negative_prompt"]  # through prompts_for
    assert "notes" not in files
