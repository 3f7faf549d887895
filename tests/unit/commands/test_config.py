"""`woundgen config`: resolved settings with their sources, faults of files, schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.config.names import setting_names
from woundgen.config.train import TrainConfig

ROOT = Path(__file__).parents[3]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("lora: {rank: 8}\nlearning_rate: 1e-4\n")
    return path


def test_each_value_says_where_it_comes_from(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", str(settings), "--set", "lora.alpha=4", "--set", "learning_rate=2e-4"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == set(setting_names(TrainConfig)), "all settings, by flat name"
    assert lines["lora_rank"].endswith(f"8  ({settings})")
    assert lines["lora_alpha"].endswith("4.0  (--set)")
    assert lines["learning_rate"].endswith("0.0002  (--set)"), "--set goes over the file"
    assert lines["resolution"].endswith("128  (default)")


def test_only_what_was_changed(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", str(settings), "--changed"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["lora_rank", "learning_rate"]
    assert run(["config", "show", "--changed"]) == 0
    assert capsys.readouterr().out == ""


def test_files_of_both_kinds_are_checked(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thresholds = ROOT / "configs" / "quality_thresholds.yaml"
    assert run(["config", "validate", str(settings), str(thresholds)]) == 0
    printed = capsys.readouterr().out
    assert f"{settings}: settings of a training, valid" in printed
    assert f"{thresholds}: screening and grades, valid" in printed


def test_every_fault_of_every_file_is_listed(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("lora_rank: 0\nseeed: 1\n")
    second.write_text("ssim_minimum: 2\npolicy: spec\n")
    assert run(["config", "validate", str(first), str(settings), str(second)]) == 2
    error = capsys.readouterr().err
    for words in (f"{first}: ", "lora_rank = 0", "did you mean 'seed'", f"{second}: ssim_minimum = 2"):
        assert words in error
    assert str(settings) not in error


def test_the_schema_is_that_of_the_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((ROOT / "configs" / "train.schema.json").read_text())
    assert run(["config", "schema", "thresholds"]) == 0
    assert "ssim_minimum" in json.loads(capsys.readouterr().out)["properties"]
