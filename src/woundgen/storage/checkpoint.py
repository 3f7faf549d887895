"""Checkpoints that a kill at any moment cannot spoil.

A checkpoint is a folder. It is written beside its place under a hidden name, every file and the folder
fsynced, listed with SHA-256 in manifest.json, renamed into place, and the parent fsynced; only then does a
pointer file (`latest`, `best`) name it. A reader trusts a folder only if the manifest verifies.
Tensors are safetensors and everything else JSON: nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from woundgen.errors import UserError
from woundgen.storage.files import fsync_directory, sha256_file, write_json, write_text
from woundgen.storage.names import LATEST, MANIFEST, STATE_JSON, STATE_TENSORS
from woundgen.storage.strict_json import parse_strictly

FORMAT = 1
WRITING, DROPPED = ".writing", ".dropped"  # endings of hidden folders
RESUMING_ONLY = "resuming_only"  # in a checkpoint's state: written because of the clock or a signal


@dataclass(frozen=True, slots=True)
class Checkpoint:
    folder: Path
    state: dict[str, Any]
    tensors: dict[str, Tensor]


def write_checkpoint(
    root: Path,
    name: str,
    *,
    state: dict[str, Any],
    tensors: dict[str, Tensor],
    export: Callable[[Path], None] | None = None,
) -> Path:
    """Write root/name and return it. `export` puts what inference needs into the folder it is given.

    UserError where a tensor holds a number that is not finite, and where it cannot be written.
    """
    spoilt = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if spoilt:
        raise UserError(
            f"{root / name} was not written: {', '.join(spoilt)} holds numbers that are not finite.",
            "Lower learning_rate and run the same command again; earlier checkpoints are whole.",
        )
    staging = root / f".{name}{WRITING}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove(staging)
        staging.mkdir()
        if export is not None:
            export(staging)
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, staging / STATE_TENSORS)
        (staging / STATE_JSON).write_text(json.dumps(state, indent=1, allow_nan=False))
        seal(staging)
        final = root / name
        if final.exists():  # the same step again after going back: the checkpoint gone back to is there still
            drop(final)
        staging.rename(final)
        fsync_directory(root)
        return final
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk as its own error
        _remove(staging)
        raise UserError(
            f"{root / name} could not be written ({getattr(error, 'strerror', None) or error}).",
            "Free space or mend the folder's rights and run the same command again; earlier checkpoints are whole.",
        ) from None


def seal(folder: Path, *, without: Sequence[str] = ()) -> None:
    """Write manifest.json over every file but those in `without` (relative), and push it all to disk."""
    left_out = {MANIFEST, *without}
    # Hidden ones are what a kill left of a manifest half written.
    present = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    files = sorted(path for path in present if str(path.relative_to(folder)) not in left_out)
    write_json(
        folder / MANIFEST,
        {"format": FORMAT, "sha256": {str(path.relative_to(folder)): sha256_file(path) for path in files}},
    )
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    for inner in sorted(path for path in folder.rglob("*") if path.is_dir()):
        fsync_directory(inner)
    fsync_directory(folder)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def drop(folder: Path) -> None:
    """Remove a checkpoint; a kill on the way leaves it whole or hidden, never half of it under its name."""
    hidden = folder.with_name(f".{folder.name}{DROPPED}")
    _remove(hidden)
    folder.rename(hidden)
    shutil.rmtree(hidden)


def clear_left_overs(run: Path) -> None:
    """Remove what kills have left half written or half removed in a run's folder. For its only writer."""
    for path in list(run.rglob(".*")):
        if path.suffix in (WRITING, DROPPED):
            _remove(path)
        elif path.suffix == ".tmp":
            path.unlink(missing_ok=True)


def fault(folder: Path) -> str | None:
    """Return the fault of a checkpoint folder, naming the file; None where its manifest verifies."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return f"{manifest} is missing"
    try:
        digests = _digests(folder)
    except (ValueError, KeyError, TypeError):
        return f"{manifest} is damaged"
    for name, digest in digests.items():
        path = folder / name
        try:
            if not path.is_file():
                return f"{path} is missing"
            if sha256_file(path) != digest:
                return f"{path} does not have the digest of its manifest (truncated or changed)"
        except OSError as error:  # a name that no file can have, or a disk that cannot be read
            return f"{manifest}: {name[:60]!r} cannot be read ({error.strerror})"
    return None


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 by file, as the manifest lists them."""
    return dict(parse_strictly((folder / MANIFEST).read_text())["sha256"])


def _resumable(folder: Path) -> bool:
    """Whether a sound checkpoint still holds what resuming needs (see `prune`)."""
    return STATE_TENSORS in _digests(folder)


def read_checkpoint(folder: Path) -> Checkpoint:
    problem = fault(folder)
    if problem is None and not _resumable(folder):
        problem = f"{folder} holds an adapter only; what resuming needs was dropped (keep_last_n_checkpoints)"
    if problem:
        raise UserError(f"{problem}.", "Resume from another checkpoint (--resume PATH).")
    state = parse_strictly((folder / STATE_JSON).read_text())
    return Checkpoint(folder, state, load_file(folder / STATE_TENSORS))


def set_pointer(root: Path, which: str, name: str) -> None:
    write_text(root / which, name + "\n")


def pointer(root: Path, which: str) -> str | None:
    path = root / which
    return path.read_text().strip() if path.is_file() else None


def all_checkpoints(root: Path) -> list[Path]:
    """Every checkpoint folder, oldest first."""
    if not root.is_dir():
        return []
    found = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(found, key=lambda path: _age(path.name))


def _age(name: str) -> tuple[int, str]:
    """Names sort by epoch and step; a longer one has counted past its padding."""
    return len(name), name


@dataclass(frozen=True, slots=True)
class Newest:
    """folder: of a checkpoint, or None. faults: a line for each damaged checkpoint that was passed over."""

    folder: Path | None
    faults: tuple[str, ...] = ()


def newest_sound(root: Path) -> Newest:
    """Find the newest checkpoint to resume from: its manifest verifies."""
    faults: list[str] = []
    preferred = pointer(root, LATEST)
    folders = all_checkpoints(root)
    if preferred:
        folders = [path for path in folders if _age(path.name) <= _age(preferred)] or folders
    for folder in reversed(folders):
        problem = fault(folder)
        if problem is None:
            if _resumable(folder):
                return Newest(folder, tuple(faults))
            continue
        faults.append(f"{problem}: passed over, the one before it is tried")
    return Newest(None, tuple(faults))
