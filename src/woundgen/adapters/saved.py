"""Finding what a run left to draw with (an adapter, a whole UNet, a learned word), and giving it to a base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from woundgen.adapters.full import blend_whole
from woundgen.adapters.kinds import Kind, base_by_shape, kind_of, read_shapes
from woundgen.adapters.lora import fuse_lora
from woundgen.adapters.lora_file import read_lora
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.models.learned_tokens import load_embedding
from woundgen.records import Preparation
from woundgen.storage.checkpoint import pointer
from woundgen.storage.files import read_json, sha256_file
from woundgen.storage.names import ADAPTER_NOTES, BEST, CHECKPOINTS, LATEST, STATE_TENSORS, TRAINED_FILES

NEEDED_NOTES = ("base_digest", "phase", "prompt", "negative_prompt", "steps", "guidance_scale")
"""Keys that the notes of each adapter trained by woundgen hold, besides `base`."""


def apply_trained(base: BaseModel, files: Sequence[tuple[Path, float]]) -> None:
    """Give `base` what the files hold, each at its strength; differences to the base add up.

    Whole UNets first, for they are told apart from the base as it was; adapters onto those. UserError where a
    file does not fit, or a learned word is asked for at another strength than 1.
    """
    kinds = {path: kind_of(read_shapes(path)) for path, _ in files}
    halved = [path for path, strength in files if kinds[path] == "embedding" and strength != 1]
    if halved:
        raise UserError(f"{halved[0]} is a learned word and has no strength.", "Give it without *STRENGTH.")
    whole = [(path, strength) for path, strength in files if kinds[path] == "unet"]
    if whole:
        blend_whole(base.unet, whole)
    adapters = [(path, strength) for path, strength in files if kinds[path] == "lora"]
    parts = {"unet": base.unet, **base.text_encoders}
    for path, _ in adapters:
        _check_parts(path, set(parts), base)
    for part, module in parts.items():
        fuse_lora(module, adapters, part=part)
    for path, _ in files:
        if kinds[path] == "embedding":
            load_embedding(base.tokenizer, base.text_encoder, path)


def _check_parts(path: Path, parts: set[str], base: BaseModel) -> None:
    """UserError where the file holds layers of a part that this base does not have: they would be left out."""
    left_out = sorted({layer.part for layer in read_lora(path)} - parts)
    if left_out:
        raise UserError(
            f"{path} has layers of {', '.join(left_out)}, which base {base.name} does not have.",
            "Give the --base it was trained on.",
        )


@dataclass(frozen=True, slots=True)
class Adapter:
    """A file of trained weights, and what its run recorded: base, phase, prompts, production steps and guidance.

    None: not recorded, as of a file that another program wrote.
    """

    file: Path
    digest: str
    kind: Kind
    base: str | None = None
    base_digest: str | None = None
    phase: str | None = None
    prompt: str | None = None
    negative_prompt: str = ""
    steps: int | None = None
    guidance_scale: float | None = None


def find_adapter(place: Path, *, weights: str) -> Adapter:
    """place: a run folder (its best checkpoint, else the latest), a checkpoint, or an adapter's folder or file.

    weights: "ema" or "raw", where the place holds both; "auto" takes EMA where there is one.
    """
    file = _file(place, weights)
    shapes = read_shapes(file)
    notes = adapter_metadata(file)
    if "base" not in notes:
        return Adapter(file=file, digest=sha256_file(file), kind=kind_of(shapes), base=base_by_shape(shapes))
    if missing := [key for key in NEEDED_NOTES if key not in notes]:
        raise UserError(f"{file.parent / ADAPTER_NOTES} has no {', '.join(missing)}.", "Restore the file.")
    return Adapter(
        file=file,
        digest=sha256_file(file),
        kind=kind_of(shapes),
        base=notes["base"],
        base_digest=notes["base_digest"],
        phase=notes["phase"],
        prompt=notes["prompt"],
        negative_prompt=notes["negative_prompt"],
        steps=notes["steps"],
        guidance_scale=notes["guidance_scale"],
    )


def adapter_metadata(file: Path) -> dict[str, Any]:
    """Return what the run recorded with an adapter's file; empty for a file that another program wrote."""
    path = file.parent / ADAPTER_NOTES
    return read_json(path) if path.exists() else {}


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
    # Last, since our checkpoints hold another safetensors file, the state to resume from.
    if (foreign := _only_file(place)) is not None and foreign.name != STATE_TENSORS:
        return foreign
    raise UserError(f"{place} holds no {' or '.join(choices)} adapter.", "Try --weights raw, or another checkpoint.")


def _only_file(folder: Path) -> Path | None:
    """The one safetensors file of a folder that another program wrote."""
    files = list(folder.glob("*.safetensors"))
    return files[0] if len(files) == 1 else None


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
    notes = adapter_metadata(file)
    prompts = notes.get("prompts") or {}
    return DrawingNotes(side=notes.get("train_resolution"), prompts=prompts if len(prompts) > 1 else {})
