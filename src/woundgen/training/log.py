"""Histories of a run: JSON lines for machines, TensorBoard for looking. Cut back to the resumed step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

from woundgen.storage.checkpoint import Checkpoint
from woundgen.storage.files import append_jsonl, read_jsonl, write_bytes, write_text
from woundgen.storage.names import EVAL_LOG, TENSORBOARD, TRAIN_LOG
from woundgen.training.loop import StepReport

LOGS = (TRAIN_LOG, EVAL_LOG)


def restore_logs(folder: Path, checkpoint: Checkpoint | None) -> None:
    """Restore both logs from the checkpoint, which drops rows written after it."""
    for name in LOGS:
        if checkpoint is not None and (checkpoint.folder / name).is_file():
            write_bytes(folder / name, (checkpoint.folder / name).read_bytes())


class RunLog:
    """train.jsonl and eval.jsonl of one run folder."""

    def __init__(self, folder: Path, *, resumed_step: int) -> None:
        self.folder = folder
        self.cut(resumed_step)
        with _without_machine_name():
            self.board = SummaryWriter(str(folder / TENSORBOARD), purge_step=resumed_step + 1)

    def cut(self, step: int) -> None:
        """Drop the rows that were logged after `step`."""
        for name in LOGS:
            _cut(self.folder / name, step)

    def train(self, row: dict[str, Any]) -> None:
        """Log one step."""
        append_jsonl(self.folder / TRAIN_LOG, [row])
        for name, value in row.items():
            if name not in ("step", "epoch", "skipped") and value is not None:
                self.board.add_scalar(f"train/{name}", value, row["step"])

    def evaluation(self, row: dict[str, Any]) -> None:
        append_jsonl(self.folder / EVAL_LOG, [row])
        for metric in row["metrics"]:
            if not metric["label"]:
                self.board.add_scalar(f"{metric['metric']}/{row['weights']}", metric["value"], row["step"])

    def close(self) -> None:
        self.board.close()


@contextmanager
def _without_machine_name() -> Iterator[None]:
    """TensorBoard puts the machine's name in its file names, and has no option not to."""
    named, event_file_writer.socket = event_file_writer.socket, SimpleNamespace(gethostname=lambda: "woundgen")
    try:
        yield
    finally:
        event_file_writer.socket = named


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
