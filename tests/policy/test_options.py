"""docs/options.md is what scripts/make_options_table.py writes, and every setting is acted on by something."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from woundgen.config.quality import QualityConfig
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[2]
KEYS = [(model, key) for model in (TrainConfig, QualityConfig) for key in model.model_fields]


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "make_options_table.py"))


def test_page_is_current(maker: dict[str, Any]) -> None:
    assert maker["page"]() == (ROOT / "docs" / "options.md").read_text(), "run scripts/make_options_table.py"


@pytest.mark.parametrize(("model", "key"), KEYS, ids=[key for _, key in KEYS])
def test_every_key_is_read(maker: dict[str, Any], model: type, key: str) -> None:
    assert maker["readers"](model)[key], f"{key} is accepted and ignored"


def test_an_ignored_key_would_be_seen(maker: dict[str, Any]) -> None:
    """The search finds what is read straight, through a property and through a function, and nothing else."""
    files = maker["readers"](TrainConfig)
    assert files["learning_rate"] == ["workflows/train/job.py", "workflows/train/settings.py"]
    assert "workflows/train/settings.py" in files["gradient_accumulation"]  # through global_batch
    assert "workflows/train/evaluator.py" in files["negative_prompt"]  # through prompts_for
    assert "notes" not in files
