"""Finding what a run left to draw with (an adapter, a whole UNet, a learned word), and giving it to a base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from woundgen.adapters.full import blend_whole
from woundgen.adapters.lora import fuse_lora
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.models.learned_tokens import load_embedding
from woundgen.records import Preparation
from woundgen.storage.checkpoint import pointer
from woundgen.storage.files import read_json, sha256_file
from woundgen.storage.names import ADAPTER_NOTES, BEST, CHECKPOINTS, EMBEDDING_FILE, LATEST, TRAINED_FILES, WHOLE_FILE


def apply_trained(base: BaseModel, files: Sequence[tuple[Path, float]]) -> None:
    """Give `base` what the files hold, each at its strength; differences to the base add up.

    Whole UNets first, for they are told apart from the base as it was; adapters onto those. UserError where a
    file does not fit, or a learned word is asked for at another strength than 1.
    """
    halved = [path for path, strength in files if path.name == EMBEDDING_FILE and strength != 1]
    if halved:
        raise UserError(f"{halved[0]} is a learned word and has no strength.", "Give it without *STRENGTH.")
    whole = [(path, strength) for path, strength in files if path.name == WHOLE_FILE]
    if whole:
        blend_whole(base.unet, whole)
    adapters = [one for one in files if one[0].name not in (WHOLE_FILE, EMBEDDING_FILE)]
    fuse_lora(base.unet, adapters)
    for part, encoder in base.text_encoders.items():
        fuse_lora(encoder, adapters, part=part)
    for path, _ in files:
        if path.name == EMBEDDING_FILE:
            load_embedding(base.tokenizer, base.text_encoder, path)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One file that a run left and what its run recorded: base, phase, prompts, production steps and guidance."""

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
    if (own := _trained_in(place)) is not None:
        return own
    root = place / CHECKPOINTS
    if root.is_dir():
        name = pointer(root, BEST) or pointer(root, LATEST)
        if name is None:
            raise UserError(f"{place} holds no checkpoint yet.", "Train it first.")
        place = root / name
    choices = ("ema", "raw") if weights == "auto" else (weights,)
    for choice in choices:
        if (found := _trained_in(place / choice)) is not None:
            return found
    raise UserError(f"{place} holds no {' or '.join(choices)} adapter.", "Try --weights raw, or another checkpoint.")


def _trained_in(folder: Path) -> Path | None:
    return next((folder / name for name in TRAINED_FILES if (folder / name).is_file()), None)


@dataclass(frozen=True, slots=True)
class DrawingNotes:
    """side: pixels that it was trained at, None where it does not say. prompts: by phase, of a joint adapter."""

    side: int | None
    prompts: dict[str, str] = field(default_factory=dict)


def saved_preparation(file: Path) -> Preparation | None:
    """How the photographs were prepared that the adapter was trained on; None where its notes do not say."""
    path = file.parent / ADAPTER_NOTES
    content = read_json(path).get("preparation") if path.exists() else None
    try:
        return None if content is None else Preparation.from_json(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: its preparation cannot be read ({error}).", "Restore the file.") from None


def drawing_notes(file: Path) -> DrawingNotes:
    notes = read_json(file.parent / ADAPTER_NOTES)
    prompts = notes.get("prompts") or {}
    return DrawingNotes(side=notes.get("train_resolution"), prompts=prompts if len(prompts) > 1 else {})
