"""Modes of the console: what each prints, and how one is chosen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from woundgen.errors import UserError
from woundgen.runtime.console import VARIABLE, Console, Mode, chosen_mode, open_console, silent_console, wrap


def _speak(console: Console) -> None:
    console.info("three steps")
    console.warn("few photographs")
    console.progress(1, 3, "loss 0.2")
    console.progress(2, 3, "loss 0.1")  # within the interval, so no line
    console.progress(3, 3, "loss 0.0")


def test_details_are_for_verbose_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    for mode in ("lines", "quiet", "silent", "verbose", "json"):
        Console(mode).detail("freed 3 parameters")
    assert capsys.readouterr().out == 'freed 3 parameters\n{"level": "detail", "message": "freed 3 parameters"}\n'


def test_a_line_of_progress_has_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("woundgen.runtime.console.time.monotonic", lambda: now[0])
    console = Console()
    for second in range(0, 150, 10):  # two steps in ten seconds
        now[0] = 1000.0 + second
        console.progress(second // 5, 1000, "loss")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3, "the first, then one a minute"
    assert lines[1] == "14/1000  loss  (5 s each, 82 min left)", "986 steps of 5 s"
    now[0] += 61
    console.progress(1, 1000, "another job")
    assert capsys.readouterr().out == "1/1000  another job\n", "its pace is not known yet"


def test_lines_wider_than_the_terminal_are_indented() -> None:
    wide = "batch        8 images a step (batch_size_per_gpu 4 x gradient_accumulation 2)"
    assert wrap(wide, 50) == (
        "batch        8 images a step (batch_size_per_gpu 4\n             x gradient_accumulation 2)"
    )
    assert wrap("one two three four\n\nfive", 10) == "one two\n  three\n  four\n\nfive"
    assert wrap(wide, 80) == wide


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize("no_color", [None, "1"])
def test_colours_obey_no_color(no_color: str | None) -> None:
    """A warning on a terminal is yellow (SGR 33), unless NO_COLOR is set (https://no-color.org)."""
    program = (
        "from woundgen.runtime.console import open_console\n"
        "with open_console() as console: console.warn('few photographs')"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm", "WOUNDGEN_CONSOLE": "lines"} | ({"NO_COLOR": no_color} if no_color else {})
    parent, child = os.openpty()
    subprocess.run([sys.executable, "-c", program], stdout=child, env=environment, timeout=60, check=True)
    os.close(child)
    printed = os.read(parent, 10_000).decode()
    os.close(parent)
    assert "warning: few photographs" in printed
    assert ("\x1b[33m" in printed) is (no_color is None)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("lines", "three steps\nwarning: few photographs\n1/3  loss 0.2\n3/3  loss 0.0\n"),
        ("quiet", "warning: few photographs\n"),
        ("silent", ""),
    ],
)
def test_modes_for_people(mode: Mode, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    _speak(Console(mode, printed_at=-1e9))
    assert capsys.readouterr().out == expected


def test_json_mode_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _speak(Console("json", printed_at=-1e9))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"level": "info", "message": "three steps"},
        {"level": "warning", "message": "few photographs"},
        {"level": "progress", "done": 1, "total": 3, "message": "loss 0.2"},
        {"level": "progress", "done": 3, "total": 3, "message": "loss 0.0"},
    ]


def test_console_of_other_ranks_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _speak(silent_console())
    assert capsys.readouterr().out == ""


def test_mode_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen_mode({}) == "lines"
    monkeypatch.setenv(VARIABLE, "quiet")
    with open_console() as console:
        console.info("not shown")
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match="WOUNDGEN_CONSOLE=loud is unknown"):
        chosen_mode({VARIABLE: "loud"})
