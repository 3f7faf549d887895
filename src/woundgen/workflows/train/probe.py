"""Estimate what a run will take, from a few steps of it: time, memory, disk.

The steps are the real loop's, with the settings of the run, on invented latents and with learning rate 0; all state is
restored afterwards.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from woundgen.adapters.power_ema import LENGTHS
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.models.base import BaseModel
from woundgen.models.prompts import PromptEncoder
from woundgen.training.latents import Latents
from woundgen.training.loop import StepReport
from woundgen.training.loop_state import LoopState
from woundgen.training.plan import Plan, disk_bytes
from woundgen.workflows.train.latent_cache import EncodedDataset
from woundgen.workflows.train.model import native_pixels
from woundgen.workflows.train.session import TrainingSession
from woundgen.workflows.train.settings import loop_settings, session_noising
from woundgen.workflows.train.steps import take_steps

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Probe:
    """seconds: median of one micro-batch, forward, backward and update. peak_bytes: of this process or card."""

    steps: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """Of the whole run. disk_bytes: what the run folder comes to; free_bytes: free where it will lie."""

    seconds_a_step: float
    training_seconds: float
    drawing_seconds: float
    peak_bytes: int
    disk_bytes: int
    free_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields, rounded to four decimals, for run.json."""
        return {key: round(value, 4) for key, value in asdict(self).items()}


def probe(session: TrainingSession) -> RunEstimate | None:
    """Run a few steps and print what the run will take; None where `probe_steps` is 0."""
    if session.config.compute.probe_steps == 0:
        return None
    measured = run_probe(session)
    session.report_faults()
    estimated = estimate(
        measured,
        session.plan,
        processes=session.ranks.size,
        disk_bytes=_expected_disk_bytes(session),
        out=session.folder,
    )
    for line in _lines(estimated, measured):
        session.console.info(line)
    if estimated.disk_bytes > estimated.free_bytes:
        session.console.warn("the disk will not hold it; lower keep_last_n_checkpoints, or raise save_every_n_epochs")
    return estimated


def run_probe(session: TrainingSession) -> Probe:
    """Time `probe_steps` steps of one micro-batch each; one more goes before, which compiles or records."""
    model, config = session.model, session.config
    trainable, settings = model.trainable, loop_settings(config, session.plan, session.precision)
    before = trainable.values.detach().clone()
    latents = invent_latents(session.base, config.trained_side)
    texts = [prompts_for(config, config.photographs.phases[0])[0]]
    clock = [time.perf_counter()]

    def note(report: StepReport) -> bool:
        clock.append(time.perf_counter())
        return False

    take_steps(
        replace(
            model,
            optimizer=torch.optim.AdamW([trainable.values], lr=0.0, fused=True),
            scaler=torch.amp.GradScaler(session.device.type, enabled=settings.precision == "fp16"),
        ),
        EncodedDataset(latents, PromptEncoder(session.base, texts, live=model.method.reads_text), batches=None),
        LoopState(step=0, average=before.clone() if settings.averaging.ema else None),
        settings=replace(settings, steps=config.compute.probe_steps + 1, global_batch=settings.micro_batch),
        learning_rate=lambda step: 0.0,
        noising=session_noising(session, latents),
        after_step=note,
        # Without the discriminator, which would learn from what is no photograph.
        terms=[replace(term, discriminator=None) for term in session.terms],
    )
    trainable.load(before)
    seconds = statistics.median(after - earlier for earlier, after in pairwise(clock[1:]))
    return Probe(steps=config.compute.probe_steps, seconds=seconds, peak_bytes=_peak_bytes(session.device))


def invent_latents(base: BaseModel, side: int) -> Latents:
    """Return random latents of one image of `side` pixels."""
    latent_side = side * int(base.unet.config.sample_size) // native_pixels(base)
    shape = (1, 1, base.unet.config.in_channels, latent_side, latent_side)
    mean = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return Latents(mean=mean, deviation=torch.zeros(shape), scale=1.0)


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux


def _expected_disk_bytes(session: TrainingSession) -> int:
    config = session.config
    return disk_bytes(
        session.plan,
        parameters=session.model.trainable.values.numel(),
        averages=adapter_kinds(config),
        keep_last=config.checkpoints.keep_last_n,
        moments=optimizer_moments(config),
    )


def adapter_kinds(config: TrainConfig) -> int:
    """Return how many averages of the weights a run keeps."""
    return config.averaging.ema + (len(LENGTHS) if config.keeps_snapshots else 0)


def optimizer_moments(config: TrainConfig) -> int:
    """Return how many vectors as long as the weights the optimizer keeps."""
    return 4 if config.optimization.algorithm == "prodigy" else 2


def estimate(measured: Probe, plan: Plan, *, processes: int, disk_bytes: int, out: Path) -> RunEstimate:
    """Extend the probe to the whole run, whose micro-batches `processes` share."""
    micro_batches = -(-plan.global_batch // plan.micro_batch)
    step = measured.seconds * -(-micro_batches // processes)
    existing = next(folder for folder in (out, *out.resolve().parents) if folder.exists())
    return RunEstimate(
        seconds_a_step=step,
        training_seconds=step * plan.steps,
        drawing_seconds=step * plan.steps * plan.evaluation.share,
        peak_bytes=measured.peak_bytes,
        disk_bytes=disk_bytes,
        free_bytes=shutil.disk_usage(existing).free,
    )


def _lines(estimated: RunEstimate, measured: Probe) -> Iterator[str]:
    yield (
        f"time         {estimated.seconds_a_step:.3g} s a step ({measured.steps} steps measured): "
        f"{_duration(estimated.training_seconds)} of training and about {_duration(estimated.drawing_seconds)} of "
        "drawing, more where others use this machine"
    )
    yield f"memory       {estimated.peak_bytes / GIB:.1f} GiB at its peak so far"
    yield f"disk         {estimated.disk_bytes / GIB:.2f} GiB of {estimated.free_bytes / GIB:.0f} GiB free"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
