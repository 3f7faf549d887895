"""Modes of the console: what each prints, and how one is chosen."""

from __future__ import annotations

import json

import pytest

from woundgen.errors import UserError
from woundgen.runtime.console import VARIABLE, Console, Mode, chosen_mode, open_console, silent_console


def _speak(console: Console) -> None:
    console.info("three steps")
    console.warn("few photographs")
    console.progress(1, 3, "loss 0.2")
    console.progress(2, 3, "loss 0.1")  # within the interval, so no line
    console.progress(3, 3, "loss 0.0")


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
