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
from woundgen.adapters.lora_forward import run_by_position
from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.models.base import BaseModel, free_unused_modules
from woundgen.models.prompts import PromptEncoder
from woundgen.runtime.ranks import ALONE, Ranks
from woundgen.training.batches import Batches, with_class_images
from woundgen.training.latents import Latents, concatenate
from woundgen.training.loop import StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.memory import PassShape, StepMemory, foresee_step
from woundgen.training.noising import NoiseSettings, RecordedNoise, build_noising, choose_noise_stream
from woundgen.training.state import counters, new_optimizer, pack, unpack
from woundgen.training.terms import ExtraTerm
from woundgen.workflows.train.dataset import encode_variations
from woundgen.workflows.train.lean_pass import build_lean_pass, enable_where_equal
from woundgen.workflows.train.memory_plan import pass_shape
from woundgen.workflows.train.model import choose_recorder, loss_pass_for_training, prepare_model, unet_for_training

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

    base: in place of random weights. photographs: uint8 [N, S, S, 3] in place of invented ones.
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
        self.warnings: list[str] = []
        mixed = self.config.compute.mixed_precision
        self.precision = PRECISIONS.get(mixed, mixed)
        device = shape.device
        self.method, self.trainable = prepare_model(self.base, self.config, device, self.precision)
        is_lora = self.method.name == "lora"
        self.dropout = run_by_position(self.base.unet, dropout=self.config.lora.dropout) if is_lora else None
        wanted = self.config.optimization
        self.optimizer = new_optimizer(
            self.trainable, betas=(0.9, 0.999), weight_decay=wanted.weight_decay, kind=wanted.algorithm
        )  # fmt: skip
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.lean = build_lean_pass(self.base.unet, self.method, self.trainable, self.dropout, self.precision)
        if self.lean is not None and device.type == "cuda":
            self.warnings += enable_where_equal(
                self.lean, self.base.unet, self.trainable, self.pass_shape(), self.precision
            )  # fmt: skip
        self.recorder = choose_recorder(self.config, device)
        self.unet = unet_for_training(self.base, self.config, self.trainable, device, faults=self.warnings)
        self.loss_pass = loss_pass_for_training(
            self.base, self.method, self.trainable, self.recorder, faults=self.warnings
        )  # fmt: skip
        self.latents, self.batches = self._data(photographs)
        texts = [prompts_for(self.config, "I")[0]] * len(self.latents)
        self.prompts = PromptEncoder(self.base, texts, live=self.method.reads_text)
        average = self.trainable.values.detach().clone()
        self.state = LoopState(step=0, average=average, noise_stream=choose_noise_stream(device))

    def _data(self, photographs: NDArray[np.uint8] | None) -> tuple[Latents, Batches | None]:
        """Latents; with class images for DreamBooth, half of each batch."""
        photographs = invent_photographs(self.shape.side) if photographs is None else photographs
        latents = encode_variations(self.base, photographs, count=1, seed=0)
        if self.config.model.method != "dreambooth":
            return latents, None
        batch = max(1, self.shape.batch // 2)
        batches = with_class_images(latents, seed=0, batch=batch, class_images=PHOTOGRAPHS, weight=1.0)
        return concatenate(latents, latents), batches

    def free(self, *, decodes: bool = False) -> None:
        """Free what the loop does not need."""
        free_unused_modules(self.base, decodes=decodes)

    def foresee(self) -> StepMemory:
        """Return what the plan would say of the memory of a step."""
        text = tuple(self.base.text_encoders.values()) if self.method.reads_text else ()
        return foresee_step(
            self.base.unet,
            self.trainable,
            self.pass_shape(),
            modules=(self.base.unet, *text),
            optimizer=self.config.optimization.algorithm,
            averages=1,
            dropout=self.dropout,
            half_norms=self.lean is not None and self.lean.norms.enabled,
        )

    def pass_shape(self) -> PassShape:
        """Return the shape of a micro-batch."""
        reads = self.method.reads_text
        return pass_shape(self.base, images=self.shape.batch, side=self.shape.side, prompt_gradient=reads)

    def run(self, until: int, *, terms: Sequence[ExtraTerm] = (), ranks: Ranks = ALONE) -> None:
        """Take steps up to `until`, as one of `ranks`, which share them."""
        clock = [time.perf_counter()]

        def note(report: StepReport) -> bool:
            clock.append(time.perf_counter())  # a report has read the loss, and so waited for the card
            self.losses.append(report.loss)
            return False

        base, device = self.base, self.shape.device
        noise = NoiseSettings(0, 0.0, base.alphas_cumprod, base.prediction, device)
        recorded = None if self.recorder is None else RecordedNoise(self.recorder, self.warnings)
        train(
            unet=self.unet,
            trainable=self.trainable,
            optimizer=self.optimizer,
            scaler=self.scaler,
            learning_rate=lambda step: 1e-4,
            latents=self.latents,
            prompt_embeds=self.prompts,
            alphas_cumprod=base.alphas_cumprod,
            prediction=base.prediction,
            dropout=self.dropout,
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
            state=self.state,
            after_step=note,
            terms=terms,
            ranks=ranks,
            batches=self.batches,
            noising=build_noising(self.latents, noise, stream=self.state.noise_stream, recorder=recorded),
            loss_pass=self.loss_pass,
        )
        self.seconds += [after - before for before, after in pairwise(clock)]

    def save(self) -> Checkpoint:
        """Return the state as a checkpoint holds it."""
        state = counters(self.state) | {"scaler": self.scaler.state_dict()}
        return Checkpoint(pack(self.trainable, self.optimizer, self.state), state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of a run with the same settings."""
        self.state = unpack(
            checkpoint.tensors,
            checkpoint.counters,
            trainable=self.trainable,
            optimizer=self.optimizer,
            scaler=self.scaler,
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors and counters of a run, in memory."""

    tensors: dict[str, Tensor]
    counters: dict[str, Any] = field(default_factory=dict)
