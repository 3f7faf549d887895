"""Lock a run folder, so that one process at a time writes there.

flock is released by the kernel when the holder dies, so the file of a killed run blocks nobody; its content only names
the holder in the error.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from woundgen.errors import UserError
from woundgen.storage.display import escape_controls
from woundgen.storage.names import LOCK


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while inside; UserError that names the holder where another process has it."""
    with (folder / LOCK).open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{folder} is being written by {_owner(folder / LOCK)}.",
                "Wait for it, stop it, or choose another --out.",
            ) from None
        handle.truncate(0)
        handle.write(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "machine": _machine(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
        )
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)  # closing gives the lock back; the file stays, so that no two hold different ones


def _machine() -> str:
    """By which a machine knows itself again, without its name: a killed run leaves it in a folder to share."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
        where = "this machine" if owner["machine"] == _machine() else "another machine"
        return f"process {int(owner['pid'])} on {where} since {escape_controls(str(owner['since']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
