"""Foresee the GPU memory of a run's steps, and propose settings that fit a card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from woundgen.adapters.power_ema import LENGTHS
from woundgen.config.train import TrainConfig
from woundgen.models.base import BaseModel
from woundgen.training.memory import TOKENS, PassShape, StepMemory, foresee_step, largest_micro_batch
from woundgen.workflows.train.model import TrainableModel
from woundgen.workflows.train.session import TrainingSession

GIB = 1 << 30
USUAL_CARD = 24 * GIB
"""Memory of an RTX 4090 or 3090: what is proposed for where the plan is made without a card."""
RESERVED = 0.1
"""Share of a card that the CUDA context, workspaces and the allocator's gaps may take."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """memory: of a step. images: of its micro-batch. card: bytes of the card that it should fit."""

    memory: StepMemory
    images: int
    card: int

    @property
    def limit(self) -> int:
        """Return the bytes of the card that a step may take."""
        return int(self.card * (1 - RESERVED))


def plan_memory(session: TrainingSession) -> MemoryPlan:
    """Foresee a step of the session as it is prepared, for the card that it runs on or a usual card."""
    config, model = session.config, session.model
    images = session.plan.micro_batch
    on_card = session.device.type == "cuda"
    shape = pass_shape(model.base, images=images, side=config.trained_side, prompt_gradient=model.method.reads_text)
    averages = config.averaging.ema + (len(LENGTHS) if config.keeps_snapshots else 0)
    with nullcontext() if on_card or model.lean is None else model.lean.assumed():
        memory = foresee_model(model, shape, optimizer=config.optimization.algorithm, averages=averages)
    return MemoryPlan(memory, images, torch.cuda.mem_get_info()[1] if on_card else USUAL_CARD)


def foresee_model(model: TrainableModel, shape: PassShape, *, optimizer: str, averages: int) -> StepMemory:
    """Foresee a step of a model as it is now. averages: moving averages of the trained values."""
    return foresee_step(
        model.base.unet,
        model.trainable,
        shape,
        modules=model.trained_modules,
        optimizer=optimizer,
        averages=averages,
        dropout=model.dropout,
        half_norms=model.lean is not None and model.lean.norms.enabled,
    )


def pass_shape(base: BaseModel, *, images: int, side: int, prompt_gradient: bool) -> PassShape:
    """Return the shape of a micro-batch of `images` pictures of `side` pixels."""
    unet = base.unet.config
    factor = 2 ** (len(base.vae.config.block_out_channels) - 1)
    pooled = 0 if base.second is None else 1  # SDXL's pooled text travels as a last row (models/text_encoding.py)
    return PassShape(
        images=images,
        channels=int(unet.in_channels),
        side=side // factor,
        tokens=TOKENS + pooled,
        width=int(unet.cross_attention_dim),
        prompt_gradient=prompt_gradient,
    )


def memory_lines(plan: MemoryPlan, config: TrainConfig, precision: str) -> Iterator[str]:
    """Say what a step takes on a GPU and, where it does not fit, what would."""
    memory = plan.memory
    parts = ", ".join(
        f"{name} {getattr(memory, name) / GIB:.2f}"
        for name in ("weights", "gradients", "optimizer", "averages", "activations", "workspaces")
    )
    images = largest_micro_batch(memory, images=plan.images, limit=plan.limit)
    yield (
        f"GPU memory   {memory.total / GIB:.2f} GiB foreseen for a step in {precision} ({parts}; {plan.images} images "
        f"at once), without auxiliary losses and drawing; {plan.card / GIB:.0f} GiB hold {images} images at once"
    )
    if memory.total > plan.limit:
        yield from (f"to fit       {proposal}" for proposal in propose_fit(plan, config))


def propose_fit(plan: MemoryPlan, config: TrainConfig) -> Iterator[str]:
    """Propose settings, the ones that change the result least first."""
    memory = plan.memory
    images = largest_micro_batch(memory, images=plan.images, limit=plan.limit)
    if images >= 1:
        passes = math.ceil(config.batch.per_gpu * config.batch.accumulation / images)
        yield f"batch_size_per_gpu: {images}, gradient_accumulation: {passes} (as many images a step or more)"
    if not config.compute.gradient_checkpointing:
        yield f"gradient_checkpointing: true (activations, now {memory.activations / GIB:.1f} GiB, shrink)"
    over = (memory.held - plan.limit) / GIB
    if over <= 0:
        return
    trained = memory.gradients / GIB  # four bytes each
    if config.optimization.algorithm == "adamw":
        yield f"optimizer: adamw-8bit (saves {1.5 * trained:.1f} GiB of the {over:.1f} that are too many)"
    if config.keeps_snapshots:
        yield f"post_hoc_ema: false (saves {len(LENGTHS) * trained:.1f} GiB)"
    if config.averaging.ema:
        yield f"ema: false (saves {trained:.1f} GiB)"
    if config.model.method != "lora":
        yield "training_method: lora (trains a few million parameters)"
