"""A training session: everything that a run needs in memory, made once and handed to each step of the job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.models.unet_pass import UNetPass
from woundgen.runtime.console import Console
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.storage.names import CHECKPOINTS
from woundgen.training.discriminator import Discriminator
from woundgen.training.loop_state import LoopState
from woundgen.training.plan import Plan
from woundgen.training.terms import ExtraTerm
from woundgen.workflows.train.dataset import Dataset
from woundgen.workflows.train.model import TrainableModel
from woundgen.workflows.train.request import TrainRequest


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A request, and what the job speaks and works through. ranks: that share the work; the first writes and prints."""

    request: TrainRequest
    console: Console
    ranks: Ranks = ALONE


@dataclass(frozen=True, slots=True)
class TrainingSession:
    """config: the request's, with `perceptual_network: auto` resolved. model: what the loop works on.

    unet_pass: how the UNet is run where nothing is learned, in validation and drawing.
    identity: digest of all that decides the trajectory. state: changed in place by the loop, a resume and a rollback;
    before `restore_or_begin` it is that of step 0, without averages. precision: fp32 | bf16 | fp16.
    """

    request: TrainRequest
    config: TrainConfig
    console: Console
    ranks: Ranks
    device: torch.device
    precision: str
    model: TrainableModel
    unet_pass: UNetPass
    terms: tuple[ExtraTerm, ...]
    discriminator: Discriminator | None
    dataset: Dataset
    plan: Plan
    state: LoopState
    identity: str

    @property
    def base(self) -> BaseModel:
        """The base model, with what is trained of it."""
        return self.model.base

    def report_faults(self) -> None:
        """Warn of the recordings that differ, as noticed since the last call."""
        while self.model.faults:
            self.console.warn(self.model.faults.pop(0))

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.request.out

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints in the run folder."""
        return self.request.out / CHECKPOINTS

    @property
    def is_paused(self) -> bool:
        """Whether the step has come at which the request ends this part of the run."""
        return self.request.stop_at is not None and self.state.step >= self.request.stop_at

    @property
    def needs_decoder(self) -> bool:
        """Whether the VAE's decoder is used after caching: for samples, metrics or the perceptual term."""
        evaluation = self.plan.evaluation
        return bool(evaluation.images or evaluation.grid or self.config.perceptual.weight)

    def weights(self) -> dict[str, Tensor]:
        """Return the weights that are evaluated and saved, [P] each, by name: a copy of raw, and EMA if it is on."""
        vectors = {"raw": self.model.trainable.values.detach().clone()}
        if self.state.average is not None:
            vectors["ema"] = self.state.average
        return vectors
