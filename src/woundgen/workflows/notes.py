"""What an adapter's notes say of drawing with it, beyond what every adapter says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from woundgen.rundir import ADAPTER_NOTES, read_json


@dataclass(frozen=True, slots=True)
class DrawingNotes:
    """side: pixels that it was trained at, None where it does not say. prompts: by phase, of a joint adapter."""

    side: int | None
    prompts: dict[str, str] = field(default_factory=dict)


def drawing_notes(file: Path) -> DrawingNotes:
    notes = read_json(file.parent / ADAPTER_NOTES)
    prompts = notes.get("prompts") or {}
    return DrawingNotes(side=notes.get("train_resolution"), prompts=prompts if len(prompts) > 1 else {})
