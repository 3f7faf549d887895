"""Options of the whole program: version, short help, quiet and JSON output, and running as a module."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from woundgen import __version__
from woundgen.cli import build_program, run


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


@pytest.mark.parametrize("words", [["config", "show", "--json"], ["--json", "config", "show"]], ids=" ".join)
def test_json_stands_before_or_after_the_verb(words, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")
    assert run(words) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["level"], last["verb"]) == ("result", "config show")
    assert last["result"]["settings"]["lora_rank"] == {"value": 16, "source": "default"}


def test_an_error_is_an_object_too(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOUNDGEN_CONSOLE", "lines")
    assert run(["config", "show", "--set", "lora_rnk=3", "--json"]) == 2
    printed = capsys.readouterr()
    row = json.loads(printed.out.splitlines()[-1])
    assert (row["level"], row["exit_code"]) == ("error", 2)
    assert "did you mean 'lora_rank'" in row["message"]
    assert printed.err.startswith("error: ")


def test_every_verb_takes_the_common_options() -> None:
    def walk(group):
        for command in group.commands.values():
            yield from walk(command) if getattr(command, "commands", None) else [command]

    for command in walk(build_program()):
        options = {name for parameter in command.params for name in parameter.opts}
        assert {"--json", "--quiet", "--verbose"} <= options, command.name


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["train"], ("--config PATH", "--set KEY=VALUE", "--folds N")),
        (["generate"], ("--guidance NUMBER", "--prompt TEXT", "--seed N")),
        (["data", "split"], ("--train NUMBER", "--out PATH")),
    ],
)
def test_values_of_options_are_shown_as_usual(
    words: list[str], shown: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "-h"]) == 0
    printed = capsys.readouterr().out
    for text in shown:
        assert text in printed
    assert "<" not in printed.replace("<=", ""), "no type of Python's"


def test_what_was_interrupted_and_goes_on_is_told(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("woundgen.api.generate.generate", stopped)
    assert run(["generate", "--base", "embedded", "--out", "set"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_quiet_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "--json", "doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: --quiet and --json exclude each other.")


def test_a_group_without_an_action_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Usage: woundgen config")
    assert "validate" in error


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "--adapter", "runs/nope", "--out", "set"],
        ["evaluate", "--generated", "nope", "--run", "runs/nope", "--phase", "I"],
    ],
    ids=["generate", "evaluate"],
)
def test_paths_are_looked_at_before_torch_is_imported(words, tmp_path) -> None:
    program = "import sys; from woundgen.cli import run; print(run(sys.argv[1:]), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.stdout == "2 False\n"
    assert "nope does not exist." in done.stderr
