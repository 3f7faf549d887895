"""Clients of trackers that could send something away: numbers and plain settings, offline by default.

wandb: WANDB_MODE decides, `offline` where it is not set. mlflow: MLFLOW_TRACKING_URI, else the run's folder.
trackio: its local database; it sends to a Space only if TRACKIO_SPACE_ID is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROJECT = "woundgen"


@dataclass(frozen=True, slots=True)
class Client:
    """send: of (values, step). end: of the run."""

    send: Callable[[dict[str, float], int], Any]
    end: Callable[[], Any]

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.send(dict(values), step)

    def show(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """Drop the picture: it never leaves the run's folder."""

    def close(self) -> None:
        self.end()


def open_wandb(folder: Path, name: str, identity: str, settings: Mapping[str, Any]) -> Client:
    import wandb

    quiet = wandb.Settings(console="off", disable_git=True, disable_code=True, save_code=False, x_disable_meta=True,
                           x_disable_stats=True)  # fmt: skip
    run = wandb.init(
        project=PROJECT, name=name, id=identity, resume="allow", dir=str(folder), config=dict(settings),
        mode=os.environ.get("WANDB_MODE", "offline"), settings=quiet,
    )  # fmt: skip
    return Client(lambda values, step: run.log(values, step=step), run.finish)


def open_mlflow(folder: Path, name: str, identity: str, settings: Mapping[str, Any]) -> Client:
    import mlflow

    client = mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve() / 'mlflow.db'}"))
    known_experiment = client.get_experiment_by_name(PROJECT)
    experiment = known_experiment.experiment_id if known_experiment is not None else client.create_experiment(PROJECT)
    known = client.search_runs([experiment], filter_string=f"tags.identity = '{identity}'", max_results=1)
    run = known[0] if known else client.create_run(experiment, tags={"identity": identity}, run_name=name)
    if not known:
        for key, value in settings.items():
            client.log_param(run.info.run_id, key, value)

    def send(values: dict[str, float], step: int) -> None:
        for key, value in values.items():
            client.log_metric(run.info.run_id, key, value, step=step)

    return Client(send, lambda: client.set_terminated(run.info.run_id))


def open_trackio(folder: Path, name: str, identity: str, settings: Mapping[str, Any]) -> Client:
    import trackio

    run = trackio.init(project=PROJECT, name=identity, config=dict(settings), resume="allow", embed=False)
    return Client(lambda values, step: run.log(values, step=step), trackio.finish)


# Each takes the run's folder, its name, a key by which the tracker goes on with it, and its settings.
OPENERS: Mapping[str, Callable[[Path, str, str, Mapping[str, Any]], Client]] = {
    "wandb": open_wandb, "mlflow": open_mlflow, "trackio": open_trackio,
}  # fmt: skip
