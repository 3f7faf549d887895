"""An adapter by the kind of its weights: raw, EMA, or `ema@LENGTH`, an average built from a run's snapshots.

The snapshots of all checkpoints up to the chosen one lie beside one another in files of one layout, so the average is
a weighted sum of their data under the chosen one's header. It is written once, into the run's own folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.adapters.power_ema import LENGTHS, Snapshot, SnapshotFit, fit
from woundgen.adapters.saved import Adapter, find_adapter
from woundgen.adapters.weight_names import MARK, length_of
from woundgen.errors import UserError
from woundgen.storage.files import read_json, write_bytes, write_json
from woundgen.storage.names import ADAPTER_NOTES, AVERAGES, CHECKPOINTS

WORST_FIT = 0.5


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot and the adapter file that holds it."""

    snapshot: Snapshot
    file: Path


def snapshot_folder(sigma: float) -> str:
    """Inside a checkpoint."""
    return f"power_{sigma:.3f}"


def adapter_of(place: Path, *, weights: str) -> Adapter:
    """`find_adapter`, and for `ema@LENGTH` the average of that length at the checkpoint found."""
    if not weights.startswith(MARK):
        return find_adapter(place, weights=weights)
    length = length_of(weights)
    chosen = find_adapter(place, weights="auto").file  # an adapter, a whole UNet or a learned word
    checkpoint = chosen.parents[1]
    stored = _snapshots(checkpoint, chosen.name)
    wanted = Snapshot(updates=max(one.snapshot.updates for one in stored), sigma=length)
    fitted = fit([one.snapshot for one in stored], wanted)
    if fitted.error > WORST_FIT:
        raise UserError(
            f"{weights}: the {len(stored)} snapshots up to {checkpoint.name} come no nearer to that average than "
            f"{fitted.error:.0%} of it.",
            "Save more often (save_every_n_epochs), or ask for a length nearer to 0.05 to 0.1.",
        )
    folder = checkpoint.parents[1] / AVERAGES / f"{checkpoint.name}_{MARK}{length:.3f}"
    if not (folder / chosen.name).exists():
        _write(folder, chosen.name, stored, fitted, length)
    return find_adapter(folder, weights="auto")


def _snapshots(checkpoint: Path, name: str) -> list[Stored]:
    """Those of the chosen checkpoint and all before it, the chosen one's last."""
    root = checkpoint.parent
    folders = [path for path in sorted(root.glob("epoch_*")) if _step(path) <= _step(checkpoint)]
    found = []
    for sigma in LENGTHS:
        for folder in folders if root.name == CHECKPOINTS else []:
            file = folder / snapshot_folder(sigma) / name
            if file.is_file():
                updates = int(read_json(file.parent / ADAPTER_NOTES)["updates"])
                found.append(Stored(Snapshot(updates=updates, sigma=sigma), file))
    if not found or found[-1].file.parents[1] != checkpoint:
        raise UserError(
            f"{checkpoint} keeps no snapshots to build an average from.",
            "Train with post_hoc_ema: true, and name the run or one of its checkpoints.",
        )
    return found


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("_")[2])


def _write(folder: Path, name: str, stored: list[Stored], fitted: SnapshotFit, length: float) -> None:
    header, total = _read(stored[-1].file)
    total = np.zeros(total.shape, np.float64)
    for one, coefficient in zip(stored, fitted.coefficients, strict=True):
        other, values = _read(one.file)
        if other != header:
            raise UserError(f"{one.file} has other tensors than {stored[-1].file}.", "Train anew, or move it away.")
        total += coefficient * values
    notes: dict[str, Any] = read_json(stored[-1].file.parent / ADAPTER_NOTES)
    notes.pop("weights_digest", None)  # of the snapshot, which an evaluation in training never measured
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / ADAPTER_NOTES,
        notes | {"ema_length": length, "ema_fit_error": round(fitted.error, 6), "snapshots": len(stored)},
    )
    write_bytes(folder / name, header + total.astype(np.float32).tobytes())


def _read(path: Path) -> tuple[bytes, NDArray[np.float32]]:
    """A safetensors file's header, and its data as one fp32 vector."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    kinds = {value["dtype"] for key, value in json.loads(content[8:end]).items() if key != "__metadata__"}
    assert kinds == {"F32"}, "snapshots are single precision"
    return content[:end], np.frombuffer(content[end:], np.float32)
