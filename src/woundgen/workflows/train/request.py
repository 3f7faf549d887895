"""Requests for training runs: what the user asked for, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from woundgen.config.load import stored_config
from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON, fold_folder


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a run begins or goes on.

    resume: None (go on if the folder holds this run), "latest", "best", or a checkpoint's path or name.
    allow_changes: go on with other settings or photographs than the run was begun with; run.json records them.
    command: words that start the run again, printed when a signal stops it and stored in run.json.
    """

    resume: str | None = None
    allow_changes: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One run. data: folder of photographs. out: run folder.

    stop_at: end after this step with a checkpoint, as a signal would; the same request without it goes on from there.
    encodings: folder of encoded photographs that runs share; None encodes them for this run alone.
    """

    config: TrainConfig
    data: Path
    out: Path
    options: TrainOptions = TrainOptions()
    stop_at: int | None = None
    encodings: Path | None = None


def make_request(
    config: TrainConfig | None, *, data: Path | None, out: Path | None, options: TrainOptions
) -> TrainRequest:
    """Return the request of a run. config None: that of the run to resume, or else the defaults.

    data, out: by default those of the config or of the run to resume. UserError where no photographs are named.
    """
    if config is None and options.resume is not None:
        config, recorded_data, out = settings_of_run(out)
        data = data or recorded_data
    config = config or TrainConfig()
    source = data or (Path(config.photographs.folder) if config.photographs.folder else None)
    if source is None:
        raise UserError("No photographs are named.", "Give --data FOLDER, or `data:` in the config.")
    return TrainRequest(config, source, out or Path("runs") / default_name(config), options)


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
