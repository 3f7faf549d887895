"""Finding a run to go on with when no config is given."""

from __future__ import annotations

from pathlib import Path

from woundgen.config.train import TrainConfig
from woundgen.errors import UserError
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON


def settings_of_run(out: Path | None, *, runs: Path = Path("runs")) -> tuple[TrainConfig, Path, Path]:
    """(settings, photographs, folder) of the run in `out`, or of the newest one under runs/."""
    folder = out or _newest(runs)
    record = read_json(folder / RUN_JSON)
    return TrainConfig.model_validate(record["config"]), Path(record["data"]["folder"]), folder


def _newest(runs: Path) -> Path:
    found = sorted(runs.glob(f"*/{RUN_JSON}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"{runs} holds no run to resume.", "Give --config to start one, or --out RUN.")
    return found[-1].parent
