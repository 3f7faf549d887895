"""Histories of a run: JSON lines for machines, TensorBoard for looking. Cut back to the resumed step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from woundgen.rundir import EVAL_LOG, TENSORBOARD, TRAIN_LOG, append_jsonl, read_jsonl, write_bytes, write_text
from woundgen.training.checkpoint import Checkpoint


def restore_logs(folder: Path, checkpoint: Checkpoint | None) -> None:
    """The histories as the checkpoint holds them: rows after it, and what a power cut took before it, do not count."""
    for name in (TRAIN_LOG, EVAL_LOG):
        if checkpoint is not None and (checkpoint.folder / name).is_file():
            write_bytes(folder / name, (checkpoint.folder / name).read_bytes())


class RunLog:
    """train.jsonl and eval.jsonl of one run folder."""

    def __init__(self, folder: Path, *, resumed_step: int) -> None:
        self.folder = folder
        for name in (TRAIN_LOG, EVAL_LOG):
            _cut(folder / name, resumed_step)
        self.board = SummaryWriter(str(folder / TENSORBOARD), purge_step=resumed_step + 1)

    def train(self, row: dict[str, Any]) -> None:
        append_jsonl(self.folder / TRAIN_LOG, [row])
        for name in ("loss", "gradient_norm", "learning_rate"):
            self.board.add_scalar(f"train/{name}", row[name], row["step"])

    def evaluation(self, row: dict[str, Any]) -> None:
        append_jsonl(self.folder / EVAL_LOG, [row])
        for metric in row["metrics"]:
            if not metric["label"]:
                self.board.add_scalar(f"{metric['metric']}/{row['weights']}", metric["value"], row["step"])

    def close(self) -> None:
        self.board.close()


def _cut(path: Path, step: int) -> None:
    """Leave the rows up to `step`; a kill after a save leaves rows that the resumed run writes again."""
    if path.exists():
        kept = [row for row in read_jsonl(path) if row["step"] <= step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
