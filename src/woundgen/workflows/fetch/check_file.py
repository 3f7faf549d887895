"""Whether a fetched file is what its name says, before it is believed and its digest recorded."""

from __future__ import annotations

import json
from pathlib import Path

from woundgen.errors import UserError

_HTML = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script")
_FIX = "Is a proxy's log-in page in between? Fetch again, or give --mirror or --from FOLDER."
LARGEST_HEADER = 100 << 20  # bytes of a safetensors file's header


def check_file(path: Path, *, name: str, source: str) -> None:
    """Raise UserError where the file at `path` cannot be the file `name` that came from `source`.

    A page of HTML is none of ours; .json has to be JSON, and .safetensors as long as its header says.
    """
    with path.open("rb") as handle:
        start = handle.read(512).lstrip().lower()
    if start.startswith(_HTML):
        raise UserError(f"{source} answered with a web page instead of {name}.", _FIX)
    problem = None
    if name.endswith(".json"):
        problem = _json_problem(path)
    elif name.endswith(".safetensors"):
        problem = _safetensors_problem(path)
    elif not start:
        problem = "it is empty"
    if problem:
        raise UserError(f"{source} did not give the whole of {name}: {problem}.", _FIX)


def is_whole(path: Path) -> bool:
    """Whether `check_file` finds nothing against a file that lies here already."""
    try:
        check_file(path, name=path.name, source=str(path))
    except UserError:
        return False
    return True


def _json_problem(path: Path) -> str | None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return "it is not JSON"
    return None if isinstance(content, dict | list) else "it is no object"


def _safetensors_problem(path: Path) -> str | None:
    """The format: 8 bytes with the header's length, the header as JSON, and data up to the largest offset in it."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if size < 8 or length > min(LARGEST_HEADER, size - 8):
            return "it has no header of safetensors"
        try:
            header = json.loads(handle.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
            expected = 8 + length + max(map(int, ends), default=0)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError, IndexError):
            return "its header of safetensors is damaged"
    return None if size == expected else f"{size} of {expected} bytes"
