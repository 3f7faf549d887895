"""Histories of a run: JSON lines for machines, trackers for looking. Cut back to the resumed step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.storage.checkpoint import Checkpoint
from woundgen.storage.files import append_jsonl, read_jsonl, write_bytes, write_text
from woundgen.storage.names import EVAL_LOG, TRAIN_LOG
from woundgen.training.loop import StepReport
from woundgen.training.trackers import Tracker

LOGS = (TRAIN_LOG, EVAL_LOG)


def restore_logs(folder: Path, checkpoint: Checkpoint | None) -> None:
    """Restore both logs from the checkpoint, which drops rows written after it."""
    for name in LOGS:
        if checkpoint is not None and (checkpoint.folder / name).is_file():
            write_bytes(folder / name, (checkpoint.folder / name).read_bytes())


class RunLog:
    """train.jsonl and eval.jsonl of a run folder, and the trackers that show the same numbers."""

    def __init__(self, folder: Path, *, resumed_step: int, trackers: Sequence[Tracker] = ()) -> None:
        self.folder = folder
        self.trackers = tuple(trackers)
        self.cut(resumed_step)

    def cut(self, step: int) -> None:
        """Drop the rows that were logged after `step`."""
        for name in LOGS:
            _cut(self.folder / name, step)

    def train(self, row: dict[str, Any]) -> None:
        """Log one step."""
        append_jsonl(self.folder / TRAIN_LOG, [row])
        shown = {f"train/{name}": value for name, value in row.items() if name not in ("step", "epoch", "skipped")}
        self._log({name: value for name, value in shown.items() if value is not None}, row["step"])

    def evaluation(self, row: dict[str, Any]) -> None:
        """Log an evaluation: each metric with the ends of its interval, and its floor and ceiling."""
        append_jsonl(self.folder / EVAL_LOG, [row])
        for metric in row["metrics"]:
            self._log(_metric_scalars(metric, weights=row["weights"]), row["step"])

    def grid(self, picture: NDArray[np.uint8], *, step: int, weights: str) -> None:
        """Show a sample grid uint8 [H, W, 3] where pictures stay in the run's folder."""
        for tracker in self.trackers:
            tracker.show(f"samples/{weights}", picture, step)

    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self.trackers:
            tracker.log(values, step)


def _metric_scalars(metric: Mapping[str, Any], *, weights: str) -> dict[str, float]:
    """Name -> number of a row of eval.jsonl: fd/ema, fd/ema/low, fd/ema/high, fd/ema/floor ..."""
    parts = [metric["metric"], weights, *([metric["label"]] if metric["label"] else [])]
    if metric.get("network") and metric["network"] != "embedded":
        parts.insert(1, metric["network"])
    name = "/".join(part.replace(",", "").replace(" ", "_") for part in parts)
    scalars = {name: metric["value"], f"{name}/low": metric.get("low"), f"{name}/high": metric.get("high")}
    return {key: value for key, value in scalars.items() if value is not None}


def train_row(report: StepReport) -> dict[str, Any]:
    """Return one row of train.jsonl; None where a number was not finite, which JSON cannot write."""
    return {
        "step": report.step,
        "epoch": round(report.epoch, 4),
        "loss": _if_finite(report.loss),
        "gradient_norm": _if_finite(report.gradient_norm),
        "learning_rate": report.learning_rate,
        **({"skipped": True} if report.skipped else {}),
        **report.terms,
    }


def _if_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cut(path: Path, step: int) -> None:
    """Drop the rows after `step`: a kill after a save leaves rows that the resumed run writes again."""
    if path.exists():
        rows = [row for row in read_jsonl(path) if row["step"] <= step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
