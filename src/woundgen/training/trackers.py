"""Trackers of a run: TensorBoard's files in its folder, and the clients of others, offline by default.

Pictures go to TensorBoard's file alone, which stays in the run's folder: grids are drawn by a model that may have a
photograph by heart, and no tracker that can send anything away gets a picture. Nor is any path or name of a file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from woundgen.errors import UserError
from woundgen.storage.names import TENSORBOARD
from woundgen.training import tracker_clients

Scalars = Mapping[str, float]
Settings = Mapping[str, Any]
TENSORBOARD_NAME = "tensorboard"
_PATHS = ("data", "region_masks", "base_model")
"""Settings that may be paths of this machine: trackers learn whether they are set, and not what they are."""


class Tracker(Protocol):
    """Take numbers and pictures. show: a picture, by a name; all but TensorBoard drop it."""

    def log(self, values: Scalars, step: int) -> None: ...

    def show(self, name: str, picture: NDArray[np.uint8], step: int) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RunName:
    """name: of the run's folder. identity: digest of the run, by which a tracker goes on with it. settings: flat."""

    name: str
    identity: str
    settings: Settings


def check_trackers(names: Sequence[str]) -> None:
    """UserError for a tracker that is asked for and not installed: before hours of training."""
    for name in names:
        if name != TENSORBOARD_NAME and importlib.util.find_spec(name) is None:
            raise UserError(f"tracker: {name} is not installed.", f"pip install 'woundgen[{name}]', or leave it out.")


def open_trackers(names: Sequence[str], folder: Path, run: RunName, *, resumed_step: int) -> tuple[Tracker, ...]:
    """Start each tracker once. resumed_step: rows after it are replaced, where the tracker can do that."""
    shown = shown_settings(run.settings)
    key = re.sub(r"[^A-Za-z0-9-]+", "-", f"{run.name}-{run.identity[:12]}")
    made: list[Tracker] = []
    for name in dict.fromkeys(names):
        if name == TENSORBOARD_NAME:
            made.append(_open_board(folder, shown, resumed_step=resumed_step))
        else:
            made.append(tracker_clients.OPENERS[name](folder, run.name, key, shown))
    return tuple(made)


def shown_settings(settings: Settings) -> dict[str, str | int | float | bool]:
    """Return settings as trackers may hold them: plain values, and no path."""
    shown: dict[str, str | int | float | bool] = {}
    for key, value in settings.items():
        if key in _PATHS and isinstance(value, str):
            shown[key] = value if "/" not in value and "\\" not in value and "." not in value else "a path"
        else:
            shown[key] = value if isinstance(value, bool | int | float | str) else str(value)
    return shown


@dataclass(frozen=True, slots=True)
class Board:
    """TensorBoard's event file in the run's folder."""

    writer: SummaryWriter

    def log(self, values: Scalars, step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def show(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        self.writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


def _open_board(folder: Path, settings: Mapping[str, Any], *, resumed_step: int) -> Board:
    with _without_machine_name():
        writer = SummaryWriter(str(folder / TENSORBOARD), purge_step=resumed_step + 1)
    if resumed_step == 0:
        for summary in hparams(dict(settings), {"train/loss": 0.0, "val_loss/raw": 0.0}):
            writer._get_file_writer().add_summary(summary)
    return Board(writer)


@contextmanager
def _without_machine_name() -> Iterator[None]:
    """TensorBoard puts the machine's name in its file names, and has no option not to."""
    named, event_file_writer.socket = event_file_writer.socket, SimpleNamespace(gethostname=lambda: "woundgen")
    try:
        yield
    finally:
        event_file_writer.socket = named
