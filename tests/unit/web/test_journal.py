"""A journal keeps whole rows through kills, full disks and torn writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.web.journal import Journal, read_journal


def test_rows_are_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1, "text": "ä\u2028\n"})
    journal.append({"n": 2})
    journal.close()
    assert Journal(tmp_path / "a.jsonl").rows == [{"n": 1, "text": "ä\u2028\n"}, {"n": 2}]
    assert (tmp_path / "a.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("torn", [b'{"n": 3', b'{"n": 3}', b"\x00\x00\x00", b"[3]\n", b'{"n": \xff}\n'])
def test_a_torn_last_row_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n' + torn)
    assert read_journal(path) == [{"n": 1}, {"n": 2}]
    journal = Journal(path)
    journal.append({"n": 4})
    journal.close()
    assert path.read_bytes() == b'{"n": 1}\n{"n": 2}\n{"n": 4}\n'


@pytest.mark.parametrize("damaged", [b'{"n": 1, "te', b"\x00\x00", b"[1]", b"", b"[" * 5000])
def test_a_damaged_row_before_others_is_an_error_and_nothing_is_cut(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content := b'{"n": 1}\n' + damaged + b'\n{"n": 3}\n')
    for opened in (Journal, read_journal):
        with pytest.raises(UserError, match="line 2 is damaged"):
            opened(path)
    assert path.read_bytes() == content


def test_a_row_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1})
    write, calls = os.write, []

    def half(descriptor: int, content: bytes) -> int:
        calls.append(content)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:4])

    with monkeypatch.context() as patched:
        patched.setattr("woundgen.web.journal.os.write", half)
        with pytest.raises(OSError, match="No space"):
            journal.append({"n": 2})
    assert journal.rows == [{"n": 1}]
    journal.append({"n": 3})
    assert read_journal(tmp_path / "a.jsonl") == [{"n": 1}, {"n": 3}]


WRITER = """
import sys
from pathlib import Path
from woundgen.web.journal import Journal
journal = Journal(Path(sys.argv[1]))
for n in range(len(journal.rows), 100_000):
    journal.append({"n": n})
    print(n, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]
        process.wait()
        rows = read_journal(path)
        assert rows[: acknowledged[-1] + 1] == [{"n": n} for n in range(acknowledged[-1] + 1)]
        assert len(rows) <= acknowledged[-1] + 2  # one may be on disk without having been said
        assert json.loads(path.read_text().splitlines()[0]) == {"n": 0}
