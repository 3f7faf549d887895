"""Requests for generated sets, read before anything heavy is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from woundgen.adapters.weight_names import check_weights
from woundgen.config.choices import Device, Precision, check_choice
from woundgen.config.quality import QualityConfig
from woundgen.config.ranges import check_real, check_seed, check_whole
from woundgen.errors import UserError
from woundgen.records import SamplerName

Adapter = tuple[Path, float]
"""A run, checkpoint or adapter file, and the strength at which it is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions:
    """How a set is drawn and screened. None takes what the adapter's run recorded, or the default of the sampler.

    Drawing: sampler and steps (1..1000 sampler steps); guidance_scale (1 is none); guidance_interval, the shares of the
    noise in 0..1 between which guidance acts; seed; size, pixels a side of the images; block, images drawn together,
    which decides the random numbers; device of the computation, and
    its precision: "auto" is on a GPU that of the training.
    Text: prompt and negative_prompt instead of the adapter's; label for metadata.csv and, of an adapter of several
    phases, the phase to draw.
    Model: base instead of the adapter's; weights, "auto" | "ema" | "raw" | "ema@LENGTH"; guide, an earlier checkpoint
    for autoguidance and its strength; source, a photograph of `real` that images begin from, and the share of the steps
    that are drawn (img2img).
    Screening: quality, its rule; calibration, a file of `calibrate` instead of calibrating anew; budget, images drawn
    at most (None: 5 for each asked for); release_copies keeps copies of photographs, and records it; reviewed
    takes out images that reviewers rejected, and draws others.
    """

    base: str | None = None
    weights: str = "auto"
    label: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    budget: int | None = None
    seed: int = 0
    sampler: SamplerName = "dpmsolver++"
    steps: int | None = None
    guidance_scale: float | None = None
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    size: int = 128
    block: int = 16
    device: Device = "auto"
    precision: Precision = "auto"
    reviewed: bool = False
    release_copies: bool = False
    guide: Adapter | None = None
    source: tuple[Path, float] | None = None
    quality: QualityConfig = field(default_factory=QualityConfig)
    calibration: Path | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """A set to draw. adapters: none draws from the base alone. count: images to accept.

    real: photographs that images are screened against; None screens nothing.
    """

    adapters: tuple[Adapter, ...]
    count: int = 100
    real: Path | None = None
    options: GenerateOptions = field(default_factory=GenerateOptions)


def describe_surplus(request: GenerateRequest) -> str | None:
    """Return a sentence where more images are drawn than are asked for, because blocks are drawn whole; else None."""
    count, block = request.count, request.options.block
    if count >= block:
        return None
    return (
        f"images are drawn {block} at a time (--block), so {block - count} or more are drawn that the set does not "
        f"need; --block {count} draws fewer at once, and rounds otherwise"
    )


def check_request(request: GenerateRequest) -> None:
    """Raise UserError where settings contradict each other or do not exist, before anything is loaded."""
    options, real = request.options, request.real
    check_choice("--sampler", options.sampler, get_args(SamplerName))
    check_choice("--precision", options.precision, get_args(Precision))
    check_choice("--device", options.device, get_args(Device))
    check_weights("--weights", options.weights)
    _check_numbers(request)
    if options.release_copies and real is None:
        raise UserError(
            "--release-copies without --real: nothing is looked for.", "Give --real FOLDER, or leave it out."
        )
    if options.calibration is not None and real is None:
        raise UserError("--calibration without --real: nothing is screened.", "Give --real FOLDER, or leave it out.")
    if options.source is not None and real is None:
        raise UserError("--from without --real: copies of the photograph could not be detected.", "Give --real FOLDER.")
    if options.guide is not None and options.guidance_scale == 1:
        raise UserError("--guide with --guidance 1: nothing is led away from.", "Give --guidance 1.5, for example.")
    for place, _ in (*request.adapters, *([] if options.guide is None else [options.guide])):
        if not place.exists():
            raise UserError(f"{place} does not exist.", "Give a run folder, a checkpoint or an adapter file.")
    if real is not None and not real.exists():
        raise UserError(f"{str(real)!r} does not exist.", "Name the folder that holds the photographs.")


def _check_numbers(request: GenerateRequest) -> None:
    options = request.options
    check_whole("--count", request.count, 1)
    check_whole("--budget", options.budget, 1)
    check_seed("--seed", options.seed)
    check_whole("--steps", options.steps, 1, 1000)
    check_real("--guidance", options.guidance_scale, 1)
    low, high = options.guidance_interval
    check_real("--guidance-low", low, 0, 1)
    check_real("--guidance-high", high, low, 1)
    check_whole("--size", options.size, 32, 1024)
    check_whole("--block", options.block, 1, 256)
    for place, strength in (*request.adapters, *([] if options.guide is None else [options.guide])):
        if not math.isfinite(strength):
            raise UserError(f"{place}: the strength {strength} is not a finite number.", "Such as 0.5.")
    if options.source is not None:
        check_real("--strength", options.source[1], 0, 1)
