"""The config of a trial: the starting config with its settings, and without all that a search does not need."""

from __future__ import annotations

import math
from typing import Any

from woundgen.config.train import TrainConfig
from woundgen.tuning.budget import RUNGS
from woundgen.workflows.tune.study import TuningStudy
from woundgen.workflows.tune.unit import Unit

SAVES = 4  # checkpoints of a run: as many snapshots as EMA of any length needs
EVALUATIONS = round(1 / RUNGS[0])  # of the validation loss, so that the first comes before the first rung
TIMESTEPS = 2  # of the validation loss at most: it decides nothing here


def trial_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that are the same in every trial: nothing is drawn while it trains, nothing stops it early.

    Checkpointing trades time for memory, of which the embedded base needs little; what is learned is the same.
    """
    return {
        "metric_images": 0,
        "sample_images": 0,
        "monitor": "auto",
        "early_stopping_metric": "val_loss",
        "early_stopping_patience": 0,
        "validation_timesteps": min(TIMESTEPS, config.evaluation.timesteps),
        "gradient_checkpointing": config.compute.gradient_checkpointing and config.model.base != "embedded",
        "probe_steps": 0,
        "tracker": ("tensorboard",),
        "save_best_only": False,
        "keep_last_n_checkpoints": 1,
    }


def trial_config(study: TuningStudy, unit: Unit) -> TrainConfig:
    """Return the config of a trial, which goes to its last step."""
    flat = study.config.flat() | dict(unit.settings)
    steps = int(flat["max_steps"] or study.steps)
    settings = flat | trial_settings(study.config) | {"max_steps": steps, "seed": unit.seed}
    photographs = study.config.global_batch * study.steps / study.epochs
    epochs = steps * TrainConfig.model_validate(settings).global_batch / photographs
    every = {"save_every_n_epochs": SAVES, "evaluate_every_n_epochs": EVALUATIONS}
    return TrainConfig.model_validate(
        settings | {key: max(1, math.floor(epochs / times)) for key, times in every.items()}
    )


def steps_at(share: float, total: int) -> int:
    """Return the step at which a share of a run ends."""
    return max(1, round(share * total))


def planned_steps(study: TuningStudy, config: TrainConfig) -> int:
    """Return the steps of a trial: the starting config's where the trial does not set them."""
    return config.optimization.max_steps or study.steps
