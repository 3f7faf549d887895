"""Save a checkpoint, let the pointers name it, and drop what older ones no longer need: of every training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from woundgen.storage.checkpoint import (
    RESUMING_ONLY,
    all_checkpoints,
    drop,
    newest_sound,
    pointer,
    seal,
    set_pointer,
    write_checkpoint,
)
from woundgen.storage.names import BEST, LATEST, STATE_JSON


@dataclass(frozen=True, slots=True)
class Retention:
    """keep_last: checkpoints that keep all they hold. trim: files, relative, that older ones lose."""

    keep_last: int
    trim: tuple[str, ...] = ()


LAST_TWO = Retention(keep_last=2)
"""For networks that are trained from scratch, of which only the last state is of use."""


def save_checkpoint(
    root: Path,
    name: str,
    *,
    state: dict[str, Any],
    tensors: dict[str, Tensor],
    retention: Retention,
    best: bool = False,
    export: Callable[[Path], None] | None = None,
) -> None:
    """Write a checkpoint, let `latest` and, where it is the best, `best` name it, and prune.

    export: writes what else the folder holds into it.
    """
    write_checkpoint(root, name, state=state, tensors=tensors, export=export)
    if best:  # before `latest`: the checkpoint to resume from knows no better than the pointer names
        set_pointer(root, BEST, name)
    set_pointer(root, LATEST, name)
    apply_retention(root, retention, written=name)


def save_last_state(root: Path, step: int, *, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write the checkpoint of a step of which nothing but resuming makes use, and keep the last two."""
    save_checkpoint(root, f"step_{step:07d}", state=state | {RESUMING_ONLY: True}, tensors=tensors, retention=LAST_TWO)


def apply_retention(root: Path, retention: Retention, *, written: str = "") -> None:
    """Prune, and keep the best whole. written: name of the checkpoint just saved, if any."""
    best = pointer(root, BEST)
    prune(root, keep_last=retention.keep_last, protect=[best] if best else [], trim=retention.trim, written=written)


def prune(root: Path, *, keep_last: int, protect: Iterable[str], trim: Sequence[str], written: str = "") -> None:
    """Drop what only resuming needs (`trim`: files, relative) from all but the newest `keep_last` checkpoints.

    The newest sound checkpoint and the protected names (best) always stay whole. What was written for resuming
    only goes altogether: the adapters that stay are then those of a run that nobody disturbed.
    written: the checkpoint just written, if one was; it is sound, and need not be read again.
    """
    folders = all_checkpoints(root)
    old = [folder for folder in folders[: max(0, len(folders) - max(1, keep_last))] if folder.name not in protect]
    passing = [folder for folder in old if _for_resuming_only(folder)]
    heavy = [folder for folder in old if folder not in passing and any((folder / name).exists() for name in trim)]
    if not passing and not heavy:
        return
    newest = root / written if written else newest_sound(root).folder
    for folder in passing:
        if folder != newest:
            drop(folder)
    for folder in heavy:
        if folder == newest:
            continue
        seal(folder, without=trim)  # first: a kill in between leaves a sound folder with more than it lists
        for name in trim:
            (folder / name).unlink(missing_ok=True)


def _for_resuming_only(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / STATE_JSON).read_text()).get(RESUMING_ONLY))
    except (OSError, ValueError, AttributeError):
        return False  # damaged: not ours to remove
