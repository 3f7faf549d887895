"""Phases are read in either case, as folder names are."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen import cli


@pytest.mark.parametrize("verb", ["evaluate", "calibrate"])
def test_a_phase_in_small_letters(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = {"evaluate": ["--generated", str(tmp_path / "set")], "calibrate": ["--out", str(tmp_path / "screen")]}[
        verb
    ]
    words = [*folder, "--real", str(tmp_path / "photographs")]
    assert cli.run([verb, *words, "--phase", "i"]) == 2
    assert "is unknown" not in capsys.readouterr().err
    assert cli.run([verb, *words, "--phase", "x"]) == 2
    assert "--phase 'X' is unknown. Use I, P, R." in capsys.readouterr().err


def test_phases_of_phantoms_in_small_letters(tmp_path: Path) -> None:
    assert cli.run(["phantoms", "--phases", "r", "--count", "1", "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1
