"""An append-only file of JSON rows that a kill, a full disk or a power cut leaves whole.

A row is on disk (fsync) before `append` returns. What a kill left of a last row is cut off when the file is opened; a
damaged row that others follow is an error, since cutting there would lose them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.files import fsync_directory
from woundgen.storage.strict_json import parse_strictly


class Journal:
    """Open for appending by one process. rows: all that is on disk, in order."""

    def __init__(self, path: Path) -> None:
        """Create the file (mode 0600) or read it; cut off a last line that was not finished."""
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if is_new:
            os.fsync(self._descriptor)
            fsync_directory(path.parent)
        self.rows, self._length = _whole_rows(path)
        if self._length < path.stat().st_size:
            os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row and wait until it is on disk. OSError where it could not be; then nothing of it stays."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._length)
            raise
        self._length += len(line)
        self.rows.append(dict(row))

    def close(self) -> None:
        os.close(self._descriptor)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The rows of a journal that another process may be writing; [] where there is none."""
    return _whole_rows(path)[0] if path.exists() else []


def _whole_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """(rows, bytes that they take), without a torn last line. UserError where whole rows follow a damaged one."""
    rows: list[dict[str, Any]] = []
    length = 0
    torn: int | None = None
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):  # what has no end is no row
        row = _row(line)
        if row is None:
            torn = torn or number
        elif torn is not None:
            raise UserError(
                f"{path}: line {torn} is damaged, and whole rows follow it.",
                "Restore the file from a copy, or remove that line if its answer may be lost.",
            )
        else:
            rows.append(row)
            length += len(line) + 1
    return rows, length


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = parse_strictly(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
