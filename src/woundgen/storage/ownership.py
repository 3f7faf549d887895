"""Claim an output folder for one job, and make private folders."""

from __future__ import annotations

from pathlib import Path

from woundgen.errors import UserError
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import (
    read_json,
    sweep_unfinished,
    write_json,
)
from woundgen.storage.names import (
    MARKER,
    RUN_JSON,
)


def make_private(folder: Path) -> None:
    """Make the folder if need be, readable by its owner alone: it holds patients. What kills left half written goes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    sweep_unfinished(folder)


def check_output(folder: Path, *, identity: str, what: str) -> bool:
    """Return whether `folder` holds this very job; UserError where it holds anything else. Nothing is written.

    identity: the digest of what decides the result.
    """
    marker = folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is not a folder.", "Choose another --out.")
    # A kill between making the folder and naming it ours leaves a hidden temporary file: still ours to take.
    if not folder.is_dir() or all(path.name.endswith(".tmp") for path in folder.iterdir()):
        return False
    if holds_output(folder, identity=identity):
        return True
    raise UserError(
        f"{folder} exists and holds {'another ' + what if marker.exists() else 'other files'}.",
        "Choose another --out, or move that folder away; nothing was written.",
    )


def claim_output(folder: Path, *, identity: str, what: str) -> bool:
    """Make `folder` ours, or refuse. Returns True where it already holds this very job (go on with it).

    `identity` is the digest of what decides the result; a folder that holds another job is never touched.
    """
    if check_output(folder, identity=identity, what=what):
        sweep_unfinished(folder, below=True)
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}).", "Choose another --out.") from None
    sweep_unfinished(folder)
    write_json(folder / MARKER, add_digest({"identity": identity, "what": what}))
    return False


def holds_output(folder: Path, *, identity: str) -> bool:
    """Return whether `folder` was claimed for this very job. Nothing is written."""
    marker = folder / MARKER
    return marker.is_file() and bool(read_json(marker).get("identity") == identity)


def reclaim_output(folder: Path, *, identity: str, what: str) -> None:
    """Change what a folder that is already ours stands for (train --allow-changes)."""
    write_json(folder / MARKER, add_digest({"identity": identity, "what": what}))


def run_of(file: Path) -> Path | None:
    """The run folder that an adapter's file lies in; None for a file that was passed on alone."""
    return next((folder for folder in file.resolve().parents if (folder / RUN_JSON).exists()), None)
