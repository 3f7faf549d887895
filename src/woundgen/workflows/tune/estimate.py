"""Estimate the cost of a trial from a few steps and images on this machine, and how many trials the budget buys."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from woundgen.config.train import prompts_for
from woundgen.generation.in_memory import BLOCK, DrawParts, draw_images
from woundgen.generation.sampler import place
from woundgen.models.base import encode_prompts
from woundgen.runtime.console import silent_console
from woundgen.tuning.budget import CONFIRMED, SEEDS, Cost, cost_of_trial, lay_out, trials_in
from woundgen.tuning.space import Space
from woundgen.workflows.train.prepare import prepare
from woundgen.workflows.train.probe import run_probe
from woundgen.workflows.train.request import TrainRequest
from woundgen.workflows.train.session import TrainingJob
from woundgen.workflows.tune.request import TuneRequest
from woundgen.workflows.tune.search import count_draws

DRAWN_STEPS = 4  # of the sampler, while it is timed
PROBED_STEPS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds: of a trial on the mean, of the search, of the confirmation. cost: what they were made from."""

    trial: float
    search: float
    confirmation: float
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return asdict(self)


def estimate_cost(request: TuneRequest, space: Space, *, steps: int, data: Path) -> tuple[int, Estimate | None]:
    """Return (trials that the budget buys, what they take); no estimate where probe_steps is 0 and trials are given."""
    probed = request.config.compute.probe_steps
    if request.budget.trials is not None and probed == 0:
        return request.budget.trials, None
    cost = _measure_cost(request, data)
    first = int(space.drawn["inference_steps_production"][0])
    at_first = Cost(cost.step, cost.image * first, cost.fixed)
    trial = cost_of_trial(
        at_first, steps=steps, draws=count_draws(space.drawn), images=request.images, generation=request.generation
    )
    processes = max(1, len(request.cards))
    trials = trials_in(request.budget, trial, processes=processes)
    layout = lay_out(trials, generation=request.generation)
    whole = steps * cost.step + cost.fixed
    repeat = whole + request.images * at_first.image
    separate = request.config.sampling.steps
    confirmation = SEEDS * ((1 + CONFIRMED) * whole + 4 * request.images * cost.image * (CONFIRMED * first + separate))
    search = layout.proposals * trial + layout.leaders * layout.repeats * repeat
    return trials, Estimate(trial, search / processes, confirmation / processes, at_first)


def _measure_cost(request: TuneRequest, data: Path) -> Cost:
    """Time the loading of a run, a few steps and a block of images. image: seconds of a sampler step."""
    began = time.perf_counter()
    config = request.config.with_values(
        metric_images=0, sample_images=0, monitor="auto", early_stopping_metric="val_loss",
        probe_steps=request.config.compute.probe_steps or PROBED_STEPS,
    )  # fmt: skip
    train_request = TrainRequest(config=config, data=data, out=request.out / "probe")
    session = prepare(TrainingJob(train_request, silent_console()))
    fixed = time.perf_counter() - began
    probe = run_probe(session)
    step = probe.seconds * math.ceil(session.plan.global_batch / session.plan.micro_batch)
    positive, negative = prompts_for(config, config.photographs.phases[0])
    place(session.base, device=session.device, dtype=session.base.unet.dtype)
    began = time.perf_counter()
    draw_images(
        session.base, count=BLOCK, prompt=positive, negative_prompt=negative, guidance_scale=2.0, steps=DRAWN_STEPS,
        seed=0, size=config.trained_side, parts=DrawParts(lambda texts: encode_prompts(session.base, texts)),
    )  # fmt: skip
    return Cost(step, (time.perf_counter() - began) / BLOCK / DRAWN_STEPS, fixed)
