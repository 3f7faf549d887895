"""The consultation's names (Decisions 7 and 8) can be typed as approved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run_script(name: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *words], capture_output=True, text=True, cwd=folder, timeout=120
    )


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("train_lora_model.py", "train"),
        ("evaluate_quality.py", "evaluate"),
        ("generate_samples.py", "generate"),
        ("compare_models.py", "compare"),
    ],
)
def test_help_is_the_verbs(name: str, verb: str, tmp_path: Path) -> None:
    done = run_script(name, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: woundgen {verb} ")


def test_resume_without_a_config_looks_for_a_run(tmp_path: Path) -> None:
    done = run_script("train_lora_model.py", "--resume", "checkpoints/epoch_50.pt", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: runs holds no run to resume. Give --config to start one, or --out RUN.\n"
