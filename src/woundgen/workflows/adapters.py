"""Finding an adapter to draw with: a run, a checkpoint or a file, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from woundgen.errors import UserError
from woundgen.rundir import ADAPTER_FILE, ADAPTER_NOTES, BEST, CHECKPOINTS, LATEST, read_json, sha256_file
from woundgen.training.checkpoint import pointer


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter file and what its run recorded: base, phase, prompts, production steps and guidance."""

    file: Path
    digest: str
    base: str
    base_digest: str
    phase: str
    prompt: str
    negative_prompt: str
    steps: int
    guidance_scale: float


def find_adapter(place: Path, *, weights: str) -> Adapter:
    """place: a run folder (its best checkpoint, else the latest), a checkpoint, or an adapter's folder or file.

    weights: "ema" or "raw", where the place holds both; "auto" takes EMA where there is one.
    """
    file = _file(place, weights)
    notes_path = file.parent / ADAPTER_NOTES
    notes = read_json(notes_path) if notes_path.exists() else {}
    if "base" not in notes:
        raise UserError(f"{file} does not say which base model it belongs to.", "Give --base and --prompt.")
    return Adapter(
        file=file,
        digest=sha256_file(file),
        base=notes["base"],
        base_digest=notes["base_digest"],
        phase=notes["phase"],
        prompt=notes["prompt"],
        negative_prompt=notes["negative_prompt"],
        steps=notes["steps"],
        guidance_scale=notes["guidance_scale"],
    )


def _file(place: Path, weights: str) -> Path:
    if place.is_file():
        return place
    if not place.exists():
        raise UserError(f"{place} does not exist.", "Give a run folder, a checkpoint or an adapter file.")
    if (place / ADAPTER_FILE).is_file():
        return place / ADAPTER_FILE
    root = place / CHECKPOINTS
    if root.is_dir():
        name = pointer(root, BEST) or pointer(root, LATEST)
        if name is None:
            raise UserError(f"{place} holds no checkpoint yet.", "Train it first.")
        place = root / name
    choices = ("ema", "raw") if weights == "auto" else (weights,)
    for choice in choices:
        if (place / choice / ADAPTER_FILE).is_file():
            return place / choice / ADAPTER_FILE
    raise UserError(f"{place} holds no {' or '.join(choices)} adapter.", "Try --weights raw, or another checkpoint.")
