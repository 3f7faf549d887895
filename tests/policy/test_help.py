"""`--help` answers at once: without torch, diffusers or matplotlib, in less than half a second of processor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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

LIST_MODULES = """
import json, sys
from woundgen.cli import run
code = run(sys.argv[1:])
print("MODULES", json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *words, "--help"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    code, modules = json.loads(result.stdout.rpartition("MODULES ")[2])
    assert code == 0
    assert "Usage: woundgen" in result.stdout
    assert not [name for name in HEAVY if name in modules]


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs POSIX wait4")
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_help_is_quick(words: list[str]) -> None:
    seconds, typer = [], []
    for _ in range(TRIES):
        seconds.append(processor_seconds([str(WOUNDGEN), *words, "--help"]))
        if seconds[-1] < LIMIT:
            return
        typer.append(processor_seconds([sys.executable, "-c", "import typer"]))
    assert min(seconds) < OF_TYPER * min(typer), f"{min(seconds):.2f} s of processor time, typer {min(typer):.2f} s"


def processor_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", HELPS)
def test_help_shows_examples(name: str) -> None:
    assert f"\n    woundgen {name}" in (HELPS[name].__doc__ or "")
