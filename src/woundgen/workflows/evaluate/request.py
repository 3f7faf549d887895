"""Requests for measurements, read before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from woundgen.adapters.weight_names import check_weights
from woundgen.config.choices import Side, check_choice
from woundgen.config.ranges import check_real, check_seed, check_whole
from woundgen.errors import UserError
from woundgen.records import PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """How a set is measured.

    side: of a split, "validation", or "holdout", which opens what was sealed. training: with `real`, photographs
    trained on, for the training row. base: its autoencoder gives the ceiling; None: the embedded one, where the set is
    of it. features: names of feature networks. k: neighbours of precision, recall, density and coverage. margin: around
    the wound's box, as a share of it, with `real`; None: as the generator's photographs. two_sample: None leaves the
    classifier two-sample test out; else its refits for a p-value, 0 for none. out: file of the numbers; None:
    metrics.json in the set, or metrics_holdout.json.
    """

    side: Side = "validation"
    training: Path | None = None
    base: str | None = None
    features: tuple[str, ...] = ("embedded",)
    k: int = 5
    margin: float | None = None
    two_sample: int | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """A measurement. Either run, whose held-out photographs are compared with, or real, a folder of photographs."""

    generated: Path
    phase: str
    run: Path | None = None
    real: Path | None = None
    options: EvaluateOptions = EvaluateOptions()


def check_request(request: EvaluateRequest) -> None:
    """Raise UserError where settings contradict each other or do not exist, before anything is loaded."""
    generated, real, run, options = request.generated, request.real, request.run, request.options
    check_sources(real, run)
    if real is not None and real.resolve() == generated.resolve():
        raise UserError(
            f"--generated and --real are the same folder, {real}.", "A set compared with itself is perfect."
        )
    check_choice("--side", options.side, get_args(Side))
    if options.training is not None and run is not None:
        raise UserError(
            "--training and --run exclude each other.", "Leave it out: the run knows what it was trained on."
        )
    check_phase(request.phase)
    check_whole("--k", options.k, 1)
    check_real("--margin", options.margin, 0)
    check_whole("--permutations", options.two_sample, 0)
    for place in (generated, real, run, options.training):
        if place is not None and not place.exists():
            raise UserError(f"{place} does not exist.", "Name a folder that is there.")


def check_sources(real: Path | None, run: Path | None) -> None:
    """Raise UserError unless exactly one of the two sources of photographs is given."""
    if (real is None) == (run is None):
        raise UserError("Give either --real or --run.", "--run takes the photographs that run held out.")


def check_phase(phase: str | None) -> None:
    """Raise UserError for a phase that does not exist."""
    if phase not in PHASES:
        raise UserError(f"--phase {phase!r} is unknown.", f"Use {', '.join(PHASES)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Candidates that a comparison draws, every combination of them, and how they are measured.

    weights, guidance, steps: kinds of weights, guidance scales and sampler steps; empty takes what the run recorded.
    every_checkpoint: all checkpoints of each run, not its best. count: images of each, 8 or more, all from the same
    seed. size: pixels a side. margin: around the wound's box, with `real`; None: as the adapter was trained. features:
    as in EvaluateOptions. base: of adapters that name none, and for the ceiling. prompt and negative_prompt: instead of
    the adapters'.
    """

    weights: tuple[str, ...] = ()
    guidance: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    every_checkpoint: bool = False
    count: int = 100
    seed: int = 0
    size: int = 128
    margin: float | None = None
    features: tuple[str, ...] = ("embedded",)
    base: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A comparison to draw. adapters: runs or checkpoints. Either run or real, as in EvaluateRequest."""

    adapters: tuple[Path, ...]
    phase: str
    run: Path | None = None
    real: Path | None = None
    options: SweepOptions = SweepOptions()


def check_sweep(request: SweepRequest) -> None:
    """Raise UserError where settings contradict each other or do not exist, before anything is loaded."""
    check_phase(request.phase)
    check_sources(request.real, request.run)
    if request.run is not None and request.options.margin is not None:
        raise UserError("--margin and --run exclude each other.", "Leave it out: the run has its margin.")
    _check_candidates(request.options)


def _check_candidates(options: SweepOptions) -> None:
    for weights in options.weights:
        check_weights("--weights", weights)
    for scale in options.guidance:
        check_real("--guidance", scale, 1)
    for steps in options.steps:
        check_whole("--steps", steps, 1, 1000)
    check_whole("--count", options.count, 8)
    check_seed("--seed", options.seed)
    check_whole("--size", options.size, 32, 1024)
    check_real("--margin", options.margin, 0)
