"""The run folder: claim it for a run, keep run.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.models.sources import where_from
from woundgen.privacy.exposure import run_record
from woundgen.runtime.lock import only_writer
from woundgen.runtime.provenance import git_state, versions
from woundgen.storage.checkpoint import Checkpoint, clear_left_overs, newest_sound, pointer, read_checkpoint
from woundgen.storage.files import disk_errors_as_user_errors, read_json, write_bytes, write_json
from woundgen.storage.names import LATEST, RUN_JSON
from woundgen.storage.ownership import check_output, claim_output, holds_output, reclaim_output
from woundgen.training.state import noise_stream_in
from woundgen.workflows.train.differences import SHAPES, ChangedSetting, find_differences, list_differences
from woundgen.workflows.train.probe import RunEstimate
from woundgen.workflows.train.resume import check_random_numbers, find_checkpoint
from woundgen.workflows.train.session import TrainingSession

FINISHED, STOPPED = "finished", "stopped"  # status of a run that has ended


@dataclass(frozen=True, slots=True)
class Claim:
    """checkpoint: to resume from, if the folder holds one. seconds: spent on training before this start."""

    checkpoint: Checkpoint | None
    seconds: float


@contextmanager
def claim_run(session: TrainingSession, estimate: RunEstimate | None) -> Iterator[Claim]:
    """Hold the run folder while inside: owned by this run, locked, run.json written, errors of the disk in one line.

    UserError where the folder holds another run or another process writes there, and where the ranks differ.
    """
    folder, ranks = session.folder, session.ranks
    ranks.assert_same(int(session.identity[:15], 16), "photographs, settings or base model")
    with ExitStack() as stack:
        stack.enter_context(disk_errors_as_user_errors(folder))
        seconds, before = 0.0, None
        if ranks.first:
            before = (folder / RUN_JSON).read_bytes() if (folder / RUN_JSON).exists() else None
            open_run(session)
            stack.enter_context(only_writer(folder))
            clear_left_overs(folder)
            # May refuse, so before run.json is written.
            checkpoint = _sound_checkpoint(session)
            seconds = write_start(session, estimate, checkpoint)
        ranks.assert_same(0, "start")  # barrier: other ranks must not read the folder before rank 0 has claimed it
        if not ranks.first:
            checkpoint = _sound_checkpoint(session)
        try:
            yield Claim(checkpoint, seconds)
        except UserError:
            # Refused before the first step: the run is what it was, and its record says so.
            if before is not None and session.state.step == (0 if checkpoint is None else checkpoint.state["step"]):
                write_bytes(folder / RUN_JSON, before, private=True)
            raise


def find_finished(session: TrainingSession) -> int | None:
    """Return the steps of the run that the folder holds, where it is this run and finished; else None.

    A run whose last checkpoint is gone or damaged is not finished, and neither is one to resume from another.
    """
    folder, root = session.folder, session.checkpoints
    if session.request.options.resume not in (None, LATEST) or not holds_output(folder, identity=session.identity):
        return None
    if not (folder / RUN_JSON).is_file() or read_json(folder / RUN_JSON).get("status") != FINISHED:
        return None
    newest = newest_sound(root).folder
    if newest is None or newest.name != pointer(root, LATEST):
        return None
    return int(read_checkpoint(newest).state["step"])


def _sound_checkpoint(session: TrainingSession) -> Checkpoint | None:
    """Read the checkpoint to resume from. UserError where there is none as asked, or other numbers would be drawn."""
    checkpoint = find_checkpoint(session)
    if checkpoint is not None:
        check_random_numbers(session, checkpoint)
    return checkpoint


def check_run_folder(session: TrainingSession) -> None:
    """Warn where a start in the run folder needs --allow-changes. UserError if it holds other files. Writes nothing."""
    folder = session.folder
    try:
        check_output(folder, identity=session.identity, what="run")
    except UserError:
        if not (folder / RUN_JSON).exists():
            raise
        changed = find_differences(read_json(folder / RUN_JSON), session.config, session.dataset, session.base)
        session.console.warn(
            f"{folder} holds a run with other settings; training there needs --allow-changes:\n"
            f"{list_differences(changed)}"
        )


def open_run(session: TrainingSession) -> None:
    """Create the run folder, or verify that it belongs to this run; otherwise raise UserError listing the differences.

    With --allow-changes the run continues with the new settings, and the differences are recorded in run.json.
    """
    folder, request = session.folder, session.request
    if request.options.resume is not None and not folder.exists():
        raise UserError(f"--resume {request.options.resume}: {folder} does not exist.", "Leave --resume out to start.")
    try:
        claim_output(folder, identity=session.identity, what="run")
    except UserError:
        record = read_json(folder / RUN_JSON) if (folder / RUN_JSON).exists() else None
        if record is None:
            raise
        changed = find_differences(record, session.config, session.dataset, session.base)
        _refuse_changes(folder, changed, allowed=request.options.allow_changes)
        session.console.info(f"going on with other settings than the run was begun with:\n{list_differences(changed)}")
        _record_changes(folder, record, changed)
        reclaim_output(folder, identity=session.identity, what="run")


def _refuse_changes(folder: Path, changed: Sequence[ChangedSetting], *, allowed: bool) -> None:
    """Raise UserError unless changes are allowed and none alters the shape of what is trained."""
    fixed = [difference.key for difference in changed if difference.key in SHAPES]
    if allowed and not fixed:
        return
    raise UserError(
        f"{folder} holds a run with other settings: {'; '.join(map(str, changed))}.",
        f"Choose another --out: {', '.join(fixed)} cannot change within a run."
        if fixed
        else "Choose another --out, give the settings of that run, or go on with these (--allow-changes).",
    ) from None


def _record_changes(folder: Path, record: dict[str, Any], changed: Sequence[ChangedSetting]) -> None:
    """Add the changes to run.json before the folder's owner changes: a kill in between leaves a note too many."""
    entry = {
        "when": _now(),
        "differences": {difference.key: {"before": difference.before, "now": difference.now} for difference in changed},
    }
    write_json(folder / RUN_JSON, record | {"changes": [*record.get("changes", []), entry]}, private=True)


def write_start(session: TrainingSession, estimate: RunEstimate | None, checkpoint: Checkpoint | None) -> float:
    """Write run.json at the start of a run; return the seconds spent on training before."""
    config, photos, base = session.config, session.dataset.photos, session.base
    path, data = session.folder / RUN_JSON, session.request.data
    before: dict[str, Any] = read_json(path) if path.exists() else {}
    record = {
        "name": session.folder.name,
        "phases": list(config.photographs.phases),
        "created": before.get("created", _now()),
        "command": before.get("command", list(session.request.options.command)),
        "config": config.flat(),
        "changes": [*before.get("changes", []), *_changed_versions(before)],
        "rollbacks": before.get("rollbacks", []),
        "processes": session.ranks.size,
        "noise_stream": session.state.noise_stream if checkpoint is None else noise_stream_in(checkpoint.state),
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
        "data": {
            "folder": str(data.resolve()),
            "digest": photos.digest,
            "preparation": photos.preparation.to_json(),
            "counts": photos.counts(),
            "grouping": photos.grouping,
            "masks": session.dataset.masks_digest,
            **run_record(photos.photos, folder=data, before=before.get("data", {})),
        },
        "base": {"name": base.name, "digest": base.digest, **where_from(base.folder)},
        "plan": session.plan.to_json(),
        "estimate": None if estimate is None else estimate.to_json(),
        "parameters": {
            "trainable": session.model.method.expected,
            "total": sum(p.numel() for part in (base.unet, *base.text_encoders.values()) for p in part.parameters()),
        },
        "status": "running",
        "seconds": before.get("seconds", {"training": 0.0}),
        "best": before.get("best"),
    }
    write_json(path, record, private=True)  # it holds the key that salts patients' ids
    return float(before.get("seconds", {}).get("training", 0.0))


def _changed_versions(before: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an entry of run.json's changes where libraries or code are not those of the last start."""
    old, new = before.get("versions") or {}, versions()
    differences = {
        f"version of {name}": {"before": str(old.get(name)), "now": new[name]}
        for name in new
        if old and old.get(name) != new[name]
    }
    commit, now = (before.get("git") or {}).get("commit"), git_state(Path(__file__).parent).get("commit")
    if commit and commit != now:
        differences["commit"] = {"before": str(commit), "now": str(now)}
    return [{"when": _now(), "differences": differences}] if differences else []


def write_end(folder: Path, *, seconds: float, status: str, best: dict[str, Any] | None) -> None:
    """Complete run.json. seconds: of training in all."""
    record = read_json(folder / RUN_JSON)
    end = {"status": status, "seconds": {"training": seconds}, "best": best}
    write_json(folder / RUN_JSON, record | end, private=True)


def record_rollback(folder: Path, *, failed_step: int, restored_step: int) -> None:
    """Add a rollback to run.json."""
    record = read_json(folder / RUN_JSON)
    entry = {"not_finite_up_to": failed_step, "back_to": restored_step}
    write_json(folder / RUN_JSON, record | {"rollbacks": [*record.get("rollbacks", []), entry]}, private=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
