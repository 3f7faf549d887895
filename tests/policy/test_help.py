"""`--help` answers at once: without torch, diffusers or matplotlib, in less than half a second of processor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from woundgen.cli import VERBS
from woundgen.commands.config import ACTIONS as CONFIG_ACTIONS
from woundgen.commands.data import ACTIONS
from woundgen.commands.study import ACTIONS as STUDY_ACTIONS

WOUNDGEN = Path(sys.executable).parent / "woundgen"
LIMIT = 0.5  # seconds of user and system time: a wall clock would measure the machine's other work
TRIES = 6
# Other processes, the suite's own second one too, slow every import; typer alone shows by how much. On an idle machine
# this many times its import is less than LIMIT, which then decides.
OF_TYPER = 4
HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "scipy",
    "sklearn",
    "matplotlib",
    "starlette",
    "uvicorn",
)
HELPS = {verb.__name__: verb for verb in VERBS} | {f"data {name}": action for name, action in ACTIONS.items()}
HELPS |= {f"config {name}": action for name, action in CONFIG_ACTIONS.items()}
HELPS |= {f"study {name}": action for name, action in STUDY_ACTIONS.items()}
CASES = [[], ["config"], ["data"], ["study"], *(name.split() for name in HELPS)]

# A fresh process imports what every help needs; a fork of it, as fresh, prints each, so that this is imported once.
PRINT_EACH = """
import contextlib, io, json, os, sys, time
from woundgen.cli import run
started = time.process_time()
for words in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            code = run([*words, "--help"])
        seconds = started + time.process_time()
        print(json.dumps([" ".join(words), code, text.getvalue(), sorted(sys.modules), seconds]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@dataclass(frozen=True, slots=True)
class Help:
    """seconds: of the processor, from the start of the process to the last line."""

    code: int
    text: str
    modules: list[str]
    seconds: float


def print_helps(cases: list[list[str]]) -> dict[str, Help]:
    """Print each help, every one as a process of its own would."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_EACH, json.dumps(cases)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {words: Help(*facts) for words, *facts in rows}


@pytest.fixture(scope="module")
def helps() -> dict[str, Help]:
    return print_helps(CASES)


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str], helps: dict[str, Help]) -> None:
    shown = helps[" ".join(words)]
    assert shown.code == 0
    assert "Usage: woundgen" in shown.text
    assert not [name for name in HEAVY if name in shown.modules]


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_help_is_quick(words: list[str], helps: dict[str, Help]) -> None:
    seconds = [helps[" ".join(words)].seconds]
    while seconds[-1] >= LIMIT and len(seconds) < TRIES:
        seconds.append(print_helps([words])[" ".join(words)].seconds)
    assert_quick(seconds)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs POSIX wait4")
def test_the_program_is_quick() -> None:
    """As it is installed, the start of the interpreter included."""
    seconds = [processor_seconds([str(WOUNDGEN), "--help"])]
    while seconds[-1] >= LIMIT and len(seconds) < TRIES:
        seconds.append(processor_seconds([str(WOUNDGEN), "--help"]))
    assert_quick(seconds)


def assert_quick(seconds: list[float]) -> None:
    if min(seconds) < LIMIT:
        return
    typer = min(processor_seconds([sys.executable, "-c", "import typer"]) for _ in seconds)
    assert min(seconds) < OF_TYPER * typer, f"{min(seconds):.2f} s of processor time, typer {typer:.2f} s"


def processor_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", HELPS)
def test_help_shows_examples(name: str) -> None:
    assert f"\n    woundgen {name}" in (HELPS[name].__doc__ or "")
