"""What a run will take, from a few steps of it: time, memory, disk. Proposes nothing and decides nothing.

The steps are the real loop's, with the run's own settings, on invented latents and with a learning rate of zero;
parameters, optimizer and everything that the run draws are as if they had never been.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from woundgen.adapters.dropout import DropoutMasks
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters
from woundgen.training.latents import Latents
from woundgen.training.loop import Contexts, Network, StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.plan import Plan, disk_bytes
from woundgen.training.terms import ExtraTerm

Say = Callable[[str], None]
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Probe:
    """seconds: of one micro-batch, forward, backward and update, the median. peak_bytes: of this process or card."""

    steps: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of the whole run. disk_bytes: what the run folder comes to; free_bytes: where it will lie."""

    seconds_a_step: float
    training_seconds: float
    drawing_seconds: float
    peak_bytes: int
    disk_bytes: int
    free_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {key: round(value, 4) for key, value in asdict(self).items()}


def native_pixels(base: BaseModel) -> int:
    """Side of the images that the base was made for."""
    return int(base.unet.config.sample_size) * 2 ** (len(base.vae.config.block_out_channels) - 1)


def tried(
    base: BaseModel,
    unet: Network,
    trainable: FlatParameters,
    plan: Plan,
    *,
    contexts: Contexts,
    dropout: DropoutMasks | None,
    terms: Sequence[ExtraTerm],
    settings: LoopSettings,
    side: int,
    averages: int,
    keep_last: int,
    steps: int,
    processes: int,
    out: Path,
    say: Say,
) -> dict[str, Any] | None:
    """Try a few steps, say what the run will take, and give it for run.json; None where no step is to be tried.

    side: pixels of the images. averages: kinds of EMA that are kept. keep_last: checkpoints that stay whole.
    """
    if steps == 0:
        return None
    latent_side = side * int(base.unet.config.sample_size) // native_pixels(base)
    probe = run_probe(
        base,
        unet,
        trainable,
        contexts=contexts,
        dropout=dropout,
        terms=terms,
        settings=settings,
        latent_side=latent_side,
        steps=steps,
    )
    size = disk_bytes(plan, parameters=trainable.values.numel(), averages=averages, keep_last=keep_last)
    found = estimate(probe, plan, processes=processes, disk_bytes=size, out=out)
    tell(found, probe, say)
    return found.to_json()


def run_probe(
    base: BaseModel,
    unet: Network,
    trainable: FlatParameters,
    *,
    contexts: Contexts,
    dropout: DropoutMasks | None,
    terms: Sequence[ExtraTerm],
    settings: LoopSettings,
    latent_side: int,
    steps: int,
) -> Probe:
    """One micro-batch a step. contexts: serves row 0. A step before them is not counted: it compiles, or records."""
    device, kept = trainable.values.device, trainable.values.detach().clone()
    clock = [time.perf_counter()]

    def note(report: StepReport) -> bool:
        clock.append(time.perf_counter())
        return False

    train(
        unet=unet,
        trainable=trainable,
        optimizer=torch.optim.AdamW([trainable.values], lr=0.0, fused=True),
        scaler=torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16"),
        learning_rate=lambda step: 0.0,
        latents=_invented(base, latent_side),
        contexts=contexts,
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        dropout=dropout,
        settings=replace(settings, steps=steps + 1, global_batch=settings.micro_batch),
        state=LoopState(step=0, average=kept.clone() if settings.ema_decay is not None else None),
        after_step=note,
        terms=[replace(term, judge=None) for term in terms],  # a discriminator would learn from what is no photograph
    )
    trainable.load(kept)
    seconds = statistics.median(after - before for before, after in pairwise(clock[1:]))
    return Probe(steps=steps, seconds=seconds, peak_bytes=_peak(device))


def _invented(base: BaseModel, side: int) -> Latents:
    shape = (1, 1, base.unet.config.in_channels, side, side)
    mean = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return Latents(mean=mean, deviation=torch.zeros(shape), scale=1.0)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux


def estimate(probe: Probe, plan: Plan, *, processes: int, disk_bytes: int, out: Path) -> Estimate:
    micro_batches = -(-plan.global_batch // plan.micro_batch)
    step = probe.seconds * -(-micro_batches // processes)
    existing = next(folder for folder in (out, *out.resolve().parents) if folder.exists())
    return Estimate(
        seconds_a_step=step,
        training_seconds=step * plan.steps,
        drawing_seconds=step * plan.steps * plan.evaluation.share,
        peak_bytes=probe.peak_bytes,
        disk_bytes=disk_bytes,
        free_bytes=shutil.disk_usage(existing).free,
    )


def tell(found: Estimate, probe: Probe, say: Say) -> None:
    say(
        f"time         {found.seconds_a_step:.3g} s a step ({probe.steps} tried): {_duration(found.training_seconds)} "
        f"of training and about {_duration(found.drawing_seconds)} of drawing, more where others use this machine"
    )
    say(f"memory       {found.peak_bytes / GIB:.1f} GiB at its peak so far")
    say(f"disk         {found.disk_bytes / GIB:.2f} GiB of {found.free_bytes / GIB:.0f} GiB free")
    if found.disk_bytes > found.free_bytes:
        say("warning: the disk will not hold it; lower keep_last_n_checkpoints, or raise save_every_n_epochs")


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
