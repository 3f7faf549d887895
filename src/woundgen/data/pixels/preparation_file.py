"""The record, in a generated set, of how the photographs were prepared that its generator was trained on."""

from __future__ import annotations

from pathlib import Path

from woundgen.errors import UserError
from woundgen.records import Preparation
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import PREPARATION_JSON


def write_preparation(folder: Path, preparation: Preparation | None) -> None:
    """preparation.json in the folder of a set; nothing where it is not known."""
    if preparation is not None:
        write_json(folder / PREPARATION_JSON, preparation.to_json())


def read_preparation(folder: Path) -> Preparation | None:
    """Read the file of `write_preparation`; None for a set without it. UserError for an unreadable file."""
    path = folder / PREPARATION_JSON
    if not path.exists():
        return None
    try:
        return Preparation.from_json(read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a record of a preparation ({error}).", "Restore it, or draw again.") from None
