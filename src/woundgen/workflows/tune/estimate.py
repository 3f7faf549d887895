"""Estimate what a study takes from a few steps and images on this machine, and how many trials the budget buys."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from woundgen.config.train import prompts_for
from woundgen.data.pixels.augment import variations
from woundgen.generation.in_memory import BLOCK, draw_images
from woundgen.generation.sampler import place
from woundgen.models.images import encode_images
from woundgen.runtime.console import silent_console
from woundgen.training.plan import disk_bytes
from woundgen.tuning.budget import (
    CONFIRMED,
    RUNGS,
    SEEDS,
    Cost,
    TrialLayout,
    cost_of_trial,
    lay_out,
    shares_remaining,
    trials_in,
)
from woundgen.tuning.effort import largest_rank, mean_samples
from woundgen.tuning.space import Space
from woundgen.workflows.train.prepare import prepare
from woundgen.workflows.train.probe import adapter_kinds, invent_latents, optimizer_moments, run_probe
from woundgen.workflows.train.request import TrainRequest
from woundgen.workflows.train.session import TrainingJob, TrainingSession
from woundgen.workflows.tune.request import TuneRequest
from woundgen.workflows.tune.search import count_images
from woundgen.workflows.tune.trial_config import EVALUATIONS, SAVES, trial_settings

DRAWN_STEPS = (2, 6)  # of the sampler, while it is timed: what they share is loading and decoding
PROBED_STEPS = 3
ENCODED = 8  # photographs encoded while that is timed


@dataclass(frozen=True, slots=True)
class StudyEstimate:
    """Seconds: of a trial on the mean, of the search, of the confirmation. cost: what they were made from.

    disk_bytes: the folder at most. free_bytes: free where it will lie. share: of its processors that this process got
    while it was timed; others had the rest. 1 where a GPU computes.
    """

    trial: float
    search: float
    confirmation: float
    cost: Cost
    disk_bytes: int
    free_bytes: int
    share: float

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts that a study is made of. training, selection: photographs. steps: of the starting config.

    images, confirming: drawn for a measurement of the search and of the confirmation.
    """

    training: int
    selection: int
    steps: int
    images: int
    confirming: int


def estimate_cost(
    request: TuneRequest, space: Space, numbers: Numbers, *, data: Path
) -> tuple[int, StudyEstimate | None]:
    """Return (trials that the budget buys, what they take); no estimate where probe_steps is 0 and trials are given."""
    config = request.config
    if request.budget.trials is not None and config.compute.probe_steps == 0:
        return request.budget.trials, None
    wall, processor = time.perf_counter(), time.process_time()
    session, loading = _prepare(request, data)
    sampler_steps = int(space.drawn["inference_steps_production"][0])
    cost = _measure_cost(session, numbers, loading=loading, sampler_steps=sampler_steps)
    spent, elapsed = time.process_time() - processor, time.perf_counter() - wall
    got = 1.0 if session.device.type == "cuda" else min(1.0, spent / elapsed / torch.get_num_threads())
    remaining = shares_remaining(request.options.generation)
    images = count_images(space.drawn, numbers.images, kind=request.objective)
    samples = mean_samples(space, config, steps=numbers.steps)
    trial = cost_of_trial(cost, samples=samples, images=images, remaining=remaining)
    processes = max(1, len(request.options.cards))
    trials = trials_in(request.budget, trial, processes=processes)
    layout = lay_out(trials, generation=request.options.generation)
    start = numbers.steps * config.global_batch
    first = cost_of_trial(cost, samples=start, images=images, remaining=[1.0] * len(RUNGS))  # it is trained to its end
    repeats = layout.leaders * layout.repeats * (samples * cost.sample + numbers.images * cost.image + cost.fixed)
    search = first + (layout.proposals - 1) * trial + repeats + (1 + layout.repeats) * cost.encoded
    arms = (start + CONFIRMED * samples) * cost.sample + (1 + CONFIRMED) * (
        numbers.confirming * cost.image + cost.fixed
    )
    confirmation = SEEDS * (arms + cost.encoded)
    existing = next(folder for folder in (request.out, *request.out.resolve().parents) if folder.exists())
    return trials, StudyEstimate(
        trial, search / processes, confirmation / processes, cost, _count_bytes(session, numbers, space, layout),
        shutil.disk_usage(existing).free, got,
    )  # fmt: skip


def _prepare(request: TuneRequest, data: Path) -> tuple[TrainingSession, float]:
    """Return the session of a trial and the seconds that it took to load."""
    began = time.perf_counter()
    probed = request.config.compute.probe_steps or PROBED_STEPS
    config = request.config.with_values(**trial_settings(request.config) | {"probe_steps": probed})
    train_request = TrainRequest(config=config, data=data, out=request.out / "probe")
    return prepare(TrainingJob(train_request, silent_console())), time.perf_counter() - began


def _measure_cost(session: TrainingSession, numbers: Numbers, *, loading: float, sampler_steps: int) -> Cost:
    """Time a few steps, some photographs encoded, and two short blocks of images, apart by their steps."""
    probe = run_probe(session)
    sample = probe.seconds / session.plan.micro_batch
    config, base, photos = session.config, session.base, session.dataset.trained
    count = config.photographs.variations if config.photographs.augmentation else 1
    few = variations(photos.images[:1], count=ENCODED, seed=0).reshape(-1, *photos.images.shape[1:])
    encode_images(base.vae, few)  # the first of a size builds its kernels
    began = time.perf_counter()
    encode_images(base.vae, few)
    encoded = (time.perf_counter() - began) / len(few)
    place(base, device=session.device, dtype=base.unet.dtype)
    _time_block(session, 1)
    short, longer = (_time_block(session, steps) for steps in DRAWN_STEPS)
    step = max(0.0, longer - short) / (DRAWN_STEPS[1] - DRAWN_STEPS[0])
    image = (short + (sampler_steps - DRAWN_STEPS[0]) * step) / BLOCK
    validation = EVALUATIONS * numbers.selection * config.evaluation.timesteps * (1 + config.averaging.ema)
    fixed = 2 * loading + validation * sample / 3  # once to train, once to draw; forward without backward: a third
    return Cost(sample, image, fixed, encoded * (numbers.training * count + numbers.selection))


def _time_block(session: TrainingSession, steps: int) -> float:
    config, base = session.config, session.base
    positive, negative = prompts_for(config, config.photographs.phases[0])
    began = time.perf_counter()
    draw_images(
        base, count=BLOCK, prompt=positive, negative_prompt=negative, guidance_scale=2.0, steps=steps,
        seed=0, size=config.trained_side,
    )  # fmt: skip
    return time.perf_counter() - began


def _count_bytes(session: TrainingSession, numbers: Numbers, space: Space, layout: TrialLayout) -> int:
    """Return what the runs and encodings of a study come to at most: adapters of the largest rank in every run."""
    config = session.config
    run = disk_bytes(
        replace(session.plan, saves=SAVES),
        parameters=round(session.model.trainable.values.numel() * largest_rank(space, config)),
        averages=adapter_kinds(config),
        keep_last=1,
        moments=optimizer_moments(config),
    )
    runs = layout.proposals + layout.leaders * layout.repeats + SEEDS * (1 + CONFIRMED)
    seeds = 1 + layout.repeats + SEEDS
    encoded = numbers.training * config.photographs.variations * seeds + numbers.selection
    latent = invent_latents(session.base, config.trained_side)
    return runs * run + 2 * 4 * encoded * latent.mean.numel()  # mean and deviation in single precision
