"""Processes that are watched: who has ended, with which code, and a signal that is passed on once."""

from __future__ import annotations

import signal
import subprocess
import sys

from woundgen.runtime.signals import StopRequest
from woundgen.runtime.supervisor import Supervisor, exit_code


def play(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-S", "-c", program], stdout=subprocess.PIPE, text=True)


def wait_for_all(supervisor: Supervisor) -> dict[str, int]:
    codes: dict[str, int] = {}
    while supervisor.running:
        codes |= {name: exit_code(process) for name, process in supervisor.wait().items()}
    return codes


def test_each_is_returned_once_with_its_code() -> None:
    supervisor = Supervisor(StopRequest())
    programs = {"fine": "", "wrong": "raise SystemExit(3)", "killed": "import os; os.kill(os.getpid(), 9)"}
    for name, program in programs.items():
        supervisor.watch(name, play(program))
    assert wait_for_all(supervisor) == {"fine": 0, "wrong": 3, "killed": 137}


def test_a_signal_is_passed_on_once() -> None:
    """A second one would end at once what is saving its state."""
    count = (
        "import signal, time\n"
        "got = []\n"
        "signal.signal(15, lambda *_: got.append(1))\n"
        "print('up', flush=True)\n"
        "while not got: time.sleep(.01)\n"
        "time.sleep(.5)\n"
        "raise SystemExit(len(got))"
    )
    stop = StopRequest()
    supervisor = Supervisor(stop)
    process = play(count)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    supervisor.watch("one", process)
    stop.received = signal.SIGTERM
    assert wait_for_all(supervisor) == {"one": 1}


def test_killed_processes_end() -> None:
    supervisor = Supervisor(StopRequest())
    supervisor.watch("sleeper", play("import time; time.sleep(60)"))
    supervisor.kill()
    assert wait_for_all(supervisor) == {"sleeper": 137}
