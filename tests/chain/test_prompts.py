"""Prompts from the config to the image: too long, and negative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run

from .conftest import Workshop

DRAW = ["generate", "--count", "2", "--block", "2", "--steps", "2", "--size", "32"]
LONG = "redness , " * 60


def drawn(out: Path, *more: str) -> np.ndarray:
    assert run([*DRAW, "--out", str(out), *more]) == 0
    return np.stack([np.asarray(Image.open(path)) for path in sorted((out / "images").iterdir())])


def test_too_long_a_prompt_is_warned_of(
    workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a plan and by `generate`, positive and negative; a short one is not."""
    words = ("--set", "prompts=custom", "--set", f"prompt={LONG}", "--dry-run")
    assert run(workshop.train(tmp_path / "run", *words)) == 0
    assert "warning: the prompt of phase I has 122 tokens" in capsys.readouterr().out
    assert run(workshop.train(tmp_path / "run", "--dry-run")) == 0
    assert "tokens" not in capsys.readouterr().out
    drawn(tmp_path / "set", "--adapter", str(trained), "--negative-prompt", LONG)
    said = capsys.readouterr().out
    assert "warning: the negative prompt has 122 tokens" in said
    assert "reads 77" in said


def test_negative_prompts(workshop: Workshop, trained: Path, tmp_path: Path) -> None:
    """The command's changes the images; where it gives none, the run's is taken."""
    none = drawn(tmp_path / "none", "--adapter", str(trained))
    cartoon = drawn(tmp_path / "cartoon", "--adapter", str(trained), "--negative-prompt", "cartoon")
    assert (none != cartoon).any()
    out = tmp_path / "run"
    quiet = ("--set", "max_steps=1", "--set", "sample_images=0", "--set", "negative_prompt=cartoon")
    assert run(workshop.train(out, *quiet)) == 0
    own = drawn(tmp_path / "own", "--adapter", str(out))
    given = drawn(tmp_path / "given", "--adapter", str(out), "--negative-prompt", "cartoon")
    without = drawn(tmp_path / "without", "--adapter", str(out), "--negative-prompt", "")
    assert np.array_equal(own, given)
    assert (own != without).any()
