"""Pipes and devices, where a file is to be read."""

from __future__ import annotations

from pathlib import Path

from woundgen.errors import UserError


def refuse_special_file(path: Path) -> None:
    """UserError for a pipe or a device: to open or read it may take for ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is a pipe or a device.", "Name a file.")
