"""Options of the whole program: version, short help, quiet and JSON output, and running as a module."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from woundgen import __version__
from woundgen.cli import run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"woundgen {__version__}\n"


@pytest.mark.parametrize("words", [["-h"], ["train", "-h"], ["data", "check", "-h"]], ids=" ".join)
def test_short_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert "Usage: woundgen" in capsys.readouterr().out


def test_the_program_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "woundgen", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"woundgen {__version__}\n")


def test_quiet_prints_nothing_of_what_went_well(tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")  # and is put back after the test
    assert run(["phantoms", "--out", str(tmp_path / "loud"), "--count", "1"]) == 0
    assert capsys.readouterr().out
    assert run(["--quiet", "phantoms", "--out", str(tmp_path / "quiet"), "--count", "1"]) == 0
    assert capsys.readouterr().out == ""


def test_json_is_one_object_a_line(tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")
    assert run(["--json", "phantoms", "--out", str(tmp_path / "set"), "--count", "1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"level": "info", "message": f"1 phantoms in {tmp_path / 'set'}"} in rows


def test_quiet_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "--json", "doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: --quiet and --json exclude each other.")
