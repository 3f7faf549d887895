"""Requests for training runs: what the user asked for, before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from woundgen.config.load import load_train_config, stored_config
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON, fold_folder


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One run. data: folder of photographs. out: run folder. command: words that start the run again.

    resume: None (continue if the folder holds this run), "latest", "best", or a checkpoint's path or name.
    dry_run: print the plan and stop. allow_changes: continue with other settings than the run was begun with.
    """

    config: TrainConfig
    data: Path
    out: Path
    command: tuple[str, ...]
    resume: str | None = None
    dry_run: bool = False
    allow_changes: bool = False


def read_request(
    config: Path | None, overrides: Sequence[str], *, data: Path | None, out: Path | None, resume: str | None
) -> TrainRequest:
    """Read the settings of one run from a config, or from the run to resume where no config is given.

    UserError where no photographs are named, and where --set has no config to change.
    """
    if config is None and resume is not None:
        if overrides:
            raise UserError("--set needs --config.", "Give --config too, or leave --set out.")
        settings, recorded_data, out = settings_of_run(out)
        data = data or recorded_data
    else:
        settings = load_train_config(config, overrides)
    source = data or (Path(settings.photographs.folder) if settings.photographs.folder else None)
    if source is None:
        raise UserError("No photographs are named.", "Give --data FOLDER, or `data:` in the config.")
    return TrainRequest(settings, source, out or Path("runs") / default_name(settings), command=(), resume=resume)


def default_name(config: TrainConfig) -> str:
    """Return the name of a run's folder where the user gives none."""
    return f"phase_{'_'.join(config.photographs.phases)}"


def split_into_folds(request: TrainRequest, folds: int | None) -> list[TrainRequest]:
    """Return one request for each of `folds` folds, or the request itself where `folds` is None."""
    if folds is None:
        return [request]
    return [
        replace(
            request,
            config=request.config.with_values(folds=folds, fold=fold),
            out=fold_folder(request.out, fold),
        )
        for fold in range(1, folds + 1)
    ]


def settings_of_run(out: Path | None, *, runs: Path = Path("runs")) -> tuple[TrainConfig, Path, Path]:
    """Return (settings, photographs, folder) of the run in `out`, or of the newest run under runs/."""
    folder = out or _newest(runs)
    record = read_json(folder / RUN_JSON)
    return stored_config(record["config"]), Path(record["data"]["folder"]), folder


def _newest(runs: Path) -> Path:
    records = sorted(runs.glob(f"*/{RUN_JSON}"), key=lambda path: path.stat().st_mtime)
    if not records:
        raise UserError(f"{runs} holds no run to resume.", "Give --config to start one, or --out RUN.")
    return records[-1].parent
