"""A training run in memory for benchmarks: `woundgen train`'s own parts, on random weights of a published shape or not.

One model is prepared, photographs are encoded, what is needed no longer is freed, and the loop runs; no files.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import harness  # noqa: F401 - makes tests/ findable
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.published_architectures import build
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.models.base import BaseModel, free_unused_modules
from woundgen.models.prompts import PromptEncoder
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.training.batches import with_class_images
from woundgen.training.latents import concatenate
from woundgen.training.loop import StepReport
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.memory import PassShape, StepMemory
from woundgen.training.noising import NoiseSettings, RecordedNoise, build_noising, choose_noise_stream
from woundgen.training.state import counters, pack, unpack
from woundgen.training.terms import ExtraTerm
from woundgen.workflows.train.dataset import encode_variations
from woundgen.workflows.train.latent_cache import EncodedDataset
from woundgen.workflows.train.lean_pass import enable_where_equal
from woundgen.workflows.train.memory_plan import foresee_model, pass_shape
from woundgen.workflows.train.model import make_trainable
from woundgen.workflows.train.steps import take_steps

PRECISIONS = {"no": "fp32"}
PHOTOGRAPHS = 32
Row = dict[str, Any]
"""item, and numbers by name; None where the device does not count it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Steps of training that are not counted and that are; steps of the sampler; rounds of drawing, interleaved."""

    warm: int
    steps: int
    sampler_steps: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Shape:
    """name: of published_architectures.UNETS. side: pixels. batch: images of a step, in one micro-batch."""

    name: str
    side: int
    batch: int
    device: torch.device


def invent_photographs(side: int) -> NDArray[np.uint8]:
    """Noise, uint8 [PHOTOGRAPHS, side, side, 3]: what a step costs does not depend on what is in them."""
    return np.random.default_rng(0).integers(0, 256, (PHOTOGRAPHS, side, side, 3)).astype(np.uint8)


class BenchmarkRun:
    """A run that is ready to take steps. losses, seconds: of each step taken. warnings: of what was recorded.

    model: as `woundgen train` has it. base: in place of random weights. photographs: uint8 [N, S, S, 3] in place of
    invented ones.
    """

    def __init__(
        self,
        shape: Shape,
        settings: dict[str, Any],
        *,
        base: BaseModel | None = None,
        photographs: NDArray[np.uint8] | None = None,
    ) -> None:
        self.shape, self.base = shape, base or build(shape.name, str(shape.device))
        self.config = TrainConfig(base_model="sd21-base", **settings)
        self.losses: list[float] = []
        self.seconds: list[float] = []
        mixed = self.config.compute.mixed_precision
        self.precision = PRECISIONS.get(mixed, mixed)
        self.model = make_trainable(self.base, self.config, shape.device, self.precision)
        self.warnings = self.model.faults
        if self.model.lean is not None and shape.device.type == "cuda":
            self.warnings += enable_where_equal(
                self.model.lean, self.base.unet, self.model.trainable, self.pass_shape(), self.precision
            )  # fmt: skip
        self.encoded = self._encode(photographs)
        average = self.model.trainable.values.detach().clone()
        self.state = LoopState(step=0, average=average, noise_stream=choose_noise_stream(shape.device))

    def _encode(self, photographs: NDArray[np.uint8] | None) -> EncodedDataset:
        """With class images for DreamBooth, half of each batch."""
        photographs = invent_photographs(self.shape.side) if photographs is None else photographs
        latents, batches = encode_variations(self.base, photographs, count=1, seed=0), None
        if self.config.model.method == "dreambooth":
            batch = max(1, self.shape.batch // 2)
            batches = with_class_images(latents, seed=0, batch=batch, class_images=PHOTOGRAPHS, weight=1.0)
            latents = concatenate(latents, latents)
        texts = [prompts_for(self.config, "I")[0]] * len(latents)
        return EncodedDataset(latents, PromptEncoder(self.base, texts, live=self.model.method.reads_text), batches)

    def free(self, *, decodes: bool = False) -> None:
        """Free what the loop does not need."""
        free_unused_modules(self.base, decodes=decodes)

    def foresee(self) -> StepMemory:
        """Return what the plan would say of the memory of a step."""
        optimizer = self.config.optimization.algorithm
        return foresee_model(self.model, self.pass_shape(), optimizer=optimizer, averages=1)

    def pass_shape(self) -> PassShape:
        """Return the shape of a micro-batch."""
        reads = self.model.method.reads_text
        return pass_shape(self.base, images=self.shape.batch, side=self.shape.side, prompt_gradient=reads)

    def run(self, until: int, *, terms: Sequence[ExtraTerm] = (), ranks: Ranks = ALONE) -> None:
        """Take steps up to `until`, as one of `ranks`, which share them."""
        clock = [time.perf_counter()]

        def note(report: StepReport) -> bool:
            clock.append(time.perf_counter())  # a report has read the loss, and so waited for the card
            self.losses.append(report.loss)
            return False

        noise = NoiseSettings(0, 0.0, self.base.alphas_cumprod, self.base.prediction, self.shape.device)
        recorded = None if self.model.recorder is None else RecordedNoise(self.model.recorder, self.warnings)
        take_steps(
            self.model,
            self.encoded,
            self.state,
            settings=LoopSettings(
                seed=0,
                steps=until,
                global_batch=self.shape.batch,
                micro_batch=-(-self.shape.batch // ranks.size),
                max_gradient_norm=1.0,
                loss=LossOptions(prompt_dropout=0.1),
                averaging=AveragingOptions(decay=0.999),
                precision=self.precision,
            ),
            learning_rate=lambda step: 1e-4,
            noising=build_noising(self.encoded.latents, noise, stream=self.state.noise_stream, recorder=recorded),
            after_step=note,
            terms=terms,
            ranks=ranks,
        )
        self.seconds += [after - before for before, after in pairwise(clock)]

    def save(self) -> Checkpoint:
        """Return the state as a checkpoint holds it."""
        state = counters(self.state) | {"scaler": self.model.scaler.state_dict()}
        return Checkpoint(pack(self.model.trainable, self.model.optimizer, self.state), state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of a run with the same settings."""
        model, tensors = self.model, checkpoint.tensors
        self.state = unpack(
            tensors, checkpoint.counters, trainable=model.trainable, optimizer=model.optimizer, scaler=model.scaler
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors and counters of a run, in memory."""

    tensors: dict[str, Tensor]
    counters: dict[str, Any] = field(default_factory=dict)
