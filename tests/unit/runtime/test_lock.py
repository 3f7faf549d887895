"""One writer in a folder: a second is told who holds it, and a dead one holds nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.runtime.lock import only_writer
from woundgen.storage.names import LOCK

HOLD = (
    "import sys, time; from pathlib import Path; from woundgen.runtime.lock import only_writer\n"
    "with only_writer(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)"
)


def test_a_second_writer_is_refused_and_a_killed_one_is_not_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"is being written by process {holder.pid} on "), only_writer(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == holder.pid, "the stale owner is still written there"
        with only_writer(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_an_unreadable_owner(tmp_path: Path) -> None:
    with only_writer(tmp_path):
        (tmp_path / LOCK).write_text("{")
        with pytest.raises(UserError, match="another process"), only_writer(tmp_path):
            pass


def test_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with only_writer(tmp_path):
            pass
