"""Start processes of `woundgen` commands, watch them, and pass the signals of this process on to them."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from woundgen.runtime.signals import StopRequest

POLL = 0.1  # seconds
_START = "; ".join(
    (
        "from woundgen.runtime.supervisor import end_with_parent",
        "end_with_parent()",
        "from woundgen.cli import main",
        "main()",
    )
)


def end_with_parent() -> None:
    """On Linux, let the kernel kill this process when its launcher is killed, so that it holds no lock after it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start_command(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    text: bool = False,
) -> subprocess.Popen[Any]:
    """Start `woundgen WORDS` in a new session, so that Ctrl-C reaches it once, through this process."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, *words],
        env=environment,
        stdout=stdout,
        stderr=stderr,
        text=text,
        start_new_session=True,
    )


def exit_code(process: subprocess.Popen[Any]) -> int:
    """The exit code of a process that has ended, 128 + n where signal n killed it."""
    returned = process.returncode
    return returned if returned >= 0 else 128 - returned


@dataclass(slots=True)
class Supervisor:
    """stop: the signals of this process. running: the processes that have not ended, by name, in the order begun."""

    stop: StopRequest
    running: dict[str, subprocess.Popen[Any]] = field(default_factory=dict)
    passed_on: bool = False

    def watch(self, name: str, process: subprocess.Popen[Any]) -> None:
        """Watch a process."""
        self.running[name] = process

    def wait(self) -> dict[str, subprocess.Popen[Any]]:
        """Pass a signal on, once; wait for POLL; return the processes that have ended, which are watched no more."""
        if self.stop.received is not None and not self.passed_on:
            self.passed_on = True
            for process in self.running.values():
                process.send_signal(self.stop.received)
        time.sleep(POLL)
        ended = {name: process for name, process in self.running.items() if process.poll() is not None}
        for name in ended:
            del self.running[name]
        return ended

    def kill(self) -> None:
        """Kill what still runs."""
        for process in self.running.values():
            process.kill()
