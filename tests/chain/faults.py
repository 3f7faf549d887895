"""Faults of the disk and kills, put into a command at its n-th request: in a fork, which is a real process."""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from woundgen.cli import run
from woundgen.storage.names import private_folder

from ..forks import code_of, fork

REQUESTS = ("fsync", "replace", "rename", "mkdir", "truncate", "ftruncate")
"""What writing asks of the disk: by each of these a file or folder comes to stand."""
FAULTS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "failing": errno.EIO}


def run_with_fault(words: Sequence[str], *, at: int, fault: str, errors: Path) -> tuple[int, int]:
    """Run a command whose `at`-th request and all later ones meet the fault; (exit code, requests made).

    fault: of FAULTS, or "kill". errors: receives standard error, and the number of requests on its last line.
    """

    def action() -> int:
        made = [0]
        for name in REQUESTS:
            setattr(os, name, _counted(getattr(os, name), made, at, fault))
        with errors.open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
            code = run(list(words))
        errors.with_suffix(".requests").write_text(str(made[0]))
        return code

    code = code_of(fork(action))
    counted = errors.with_suffix(".requests")
    return code, int(counted.read_text()) if counted.exists() else at


def _counted(call: Callable[..., Any], made: list[int], at: int, fault: str) -> Callable[..., Any]:
    def counting(*arguments: Any, **named: Any) -> Any:
        made[0] += 1
        if made[0] >= at > 0:
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), str(arguments[0]))
        return call(*arguments, **named)

    return counting


def outcome(out: Path) -> dict[str, bytes]:
    """All files of a command's folder and of the private one beside it, the lock aside."""
    found = {}
    for folder in (out, private_folder(out)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != ".woundgen.lock":
                found[f"{folder.name}/{path.relative_to(folder)}"] = path.read_bytes()
    return found
