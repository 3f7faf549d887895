"""The folder of a run: whose it is, what it was begun with, and where it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from woundgen.config.train import TrainConfig
from woundgen.data.photo_set import PhotoSet
from woundgen.errors import UserError
from woundgen.models.base import BaseModel
from woundgen.models.sources import where_from
from woundgen.privacy.exposure import run_record
from woundgen.runtime.provenance import git_state, versions
from woundgen.storage.checkpoint import Checkpoint, newest_sound, pointer, read_checkpoint
from woundgen.storage.files import read_json, sha256_json, write_json
from woundgen.storage.names import BEST, LATEST, RUN_JSON, fold_folder
from woundgen.storage.ownership import claim_output, reclaim_output
from woundgen.training.plan import Plan

Say = Callable[[str], None]

# Settings that may differ between a run and its continuation: they do not alter the trajectory.
FREE_TO_CHANGE = frozenset(
    {
        "data", "device", "cuda_graphs", "use_xformers", "inference_steps_production", "guidance_scale",
        "keep_last_n_checkpoints", "negative_prompt", "save_every_minutes", "probe_steps",
    }
)  # fmt: skip
# Settings that decide the shape of what is trained: a checkpoint of others cannot be gone on from.
SHAPES = frozenset(
    {
        "base_model", "training_method", "lora_rank", "lora_target_modules", "lora_rslora", "lora_dora",
        "lora_text_encoder", "instance_token", "token_vectors",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the table of what has changed since a run was begun."""

    key: str
    before: str
    now: str


def runs_of(config: TrainConfig, out: Path, *, folds: int | None) -> list[tuple[TrainConfig, Path]]:
    """(settings, folder) of the run asked for, or of one run for each of so many folds."""
    if folds is None:
        return [(config, out)]
    return [
        (config.model_copy(update={"folds": folds, "fold": fold}), fold_folder(out, fold))
        for fold in range(1, folds + 1)
    ]


def identity_of(config: TrainConfig, photos: PhotoSet, base: BaseModel, masks_digest: str | None = None) -> str:
    """Digest of all that decides the trajectory. masks_digest: of the wound masks, where they are read from files."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in FREE_TO_CHANGE}
    masks = {} if masks_digest is None else {"masks": masks_digest}
    return sha256_json({"config": settings, "data": photos.digest, "base": base.digest} | masks)


def open_run(
    out: Path,
    *,
    identity: str,
    config: TrainConfig,
    data_digest: str,
    base_digest: str,
    resume: str | None,
    allow_changes: bool,
    say: Say,
    masks_digest: str | None = None,
) -> None:
    """Make the folder ours or see that it is; UserError that names the differences where it holds a run of others.

    allow_changes: go on all the same; the differences are kept in run.json.
    """
    if resume is not None and not out.exists():
        raise UserError(f"--resume {resume}: {out} does not exist.", "Leave --resume out to start.")
    try:
        claim_output(out, identity=identity, what="run")
    except UserError:
        record = read_json(out / RUN_JSON) if (out / RUN_JSON).exists() else None
        if record is None:
            raise
        changed = differences(
            record, config, data_digest=data_digest, base_digest=base_digest, masks_digest=masks_digest
        )
        fixed = [one.key for one in changed if one.key in SHAPES]
        if not allow_changes or fixed:
            raise UserError(
                f"{out} holds a run with other settings: {'; '.join(map(told, changed))}.",
                f"Choose another --out: {', '.join(fixed)} cannot change within a run."
                if fixed
                else "Choose another --out, give the settings of that run, or go on with these (--allow-changes).",
            ) from None
        say(f"going on with other settings than the run was begun with:\n{table(changed)}")
        _note_changes(out, record, changed)
        reclaim_output(out, identity=identity, what="run")


def differences(
    record: dict[str, Any], config: TrainConfig, *, data_digest: str, base_digest: str, masks_digest: str | None = None
) -> list[Difference]:
    """What decides the trajectory and is not as in run.json; the whole of it in words for people."""
    old, new = record["config"], config.model_dump(mode="json")
    found = [
        Difference(key, repr(old.get(key)), repr(new[key]))
        for key in new
        if key not in FREE_TO_CHANGE and old.get(key) != new[key]
    ]
    digests = {
        "the photographs": (record["data"]["digest"], data_digest),
        "the wound masks": (record["data"].get("masks") or "none", masks_digest or "none"),
        "the base model": (record["base"]["digest"], base_digest),
    }
    return found + [
        Difference(key, f"digest {before[:12]}", f"digest {now[:12]}")
        for key, (before, now) in digests.items()
        if before != now
    ]


def told(one: Difference) -> str:
    return f"{one.key} was {one.before}, now {one.now}"


def table(found: Sequence[Difference]) -> str:
    return "\n".join(f"  {told(one)}" for one in found)


def _note_changes(out: Path, record: dict[str, Any], changed: Sequence[Difference]) -> None:
    """Before the folder changes hands: a kill in between leaves a note too many, never one too few."""
    entry = {
        "when": _now(),
        "differences": {one.key: {"before": one.before, "now": one.now} for one in changed},
    }
    write_json(out / RUN_JSON, record | {"changes": [*record.get("changes", []), entry]})


def find_checkpoint(root: Path, resume: str | None, say: Say) -> Checkpoint | None:
    """What to go on from. A name asked for must exist; without one the newest sound checkpoint serves."""
    if resume in (None, LATEST):
        newest = newest_sound(root, warn=say)
        if newest is None and resume == LATEST:
            raise UserError(f"--resume latest: {root} holds no checkpoint.", "Leave --resume out to start.")
        return None if newest is None else read_checkpoint(newest)
    assert resume is not None
    if resume == BEST:
        name = pointer(root, BEST)
        if name is None:
            raise UserError(f"--resume best: no best checkpoint in {root} yet.", "Use --resume latest.")
        return read_checkpoint(root / name)
    for folder in (Path(resume), root / resume, root / Path(resume).name):
        if folder.is_dir() and folder.resolve().parent == root.resolve():
            return read_checkpoint(folder)
    epoch = Path(resume).stem.removeprefix("epoch_")
    if epoch.isdigit():
        matches = sorted(root.glob(f"epoch_{int(epoch):04d}_*"))
        if matches:
            return read_checkpoint(matches[-1])
    raise UserError(f"--resume {resume}: no such checkpoint in {root}.", f"It holds: {_names(root)}.")


def _names(root: Path) -> str:
    names = sorted(path.name for path in root.glob("epoch_*"))
    return ", ".join(names) or "none"


def write_start(
    out: Path,
    *,
    config: TrainConfig,
    data: Path,
    plan: Plan,
    photos: PhotoSet,
    base: BaseModel,
    trainable: int,
    command: Sequence[str],
    processes: int,
    estimate: dict[str, Any] | None = None,
    masks_digest: str | None = None,
) -> float:
    """run.json at the start; returns the seconds spent before a resume.

    trainable: how many parameters are trained. estimate: what the probe said the run will take.
    """
    path = out / RUN_JSON
    before: dict[str, Any] = read_json(path) if path.exists() else {}
    write_json(
        path,
        {
            "name": out.name,
            "phases": list(config.phases),
            "created": before.get("created", _now()),
            "command": before.get("command", list(command)),
            "config": config.model_dump(mode="json"),
            "changes": before.get("changes", []),
            "rollbacks": before.get("rollbacks", []),
            "processes": processes,
            "versions": versions(),
            "git": git_state(Path(__file__).parent),
            "data": {
                "folder": str(data.resolve()),
                "digest": photos.digest,
                "counts": photos.counts(),
                "grouping": photos.grouping,
                "masks": masks_digest,
                **run_record(photos.photos, folder=data, before=before.get("data", {})),
            },
            "base": {"name": base.name, "digest": base.digest, **where_from(base.folder)},
            "plan": plan.to_json(),
            "estimate": estimate,
            "parameters": {
                "trainable": trainable,
                "total": sum(
                    p.numel() for part in (base.unet, *base.text_encoders.values()) for p in part.parameters()
                ),
            },
            "status": "running",
            "seconds": before.get("seconds", {"training": 0.0}),
            "best": before.get("best"),
        },
    )
    return float(before.get("seconds", {}).get("training", 0.0))


def write_end(out: Path, *, seconds: float, status: str, best: dict[str, Any] | None) -> None:
    content = read_json(out / RUN_JSON)
    write_json(out / RUN_JSON, content | {"status": status, "seconds": {"training": seconds}, "best": best})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
