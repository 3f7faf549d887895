"""How often to draw and measure, how many images and with how many sampler steps: settled once, before the run.

A run on 100 photographs lasts minutes, and drawing 64 images at 50 steps from two kinds of weights costs as
much as a fortieth of it: "at every evaluation" would dwarf the training. So evaluation_share bounds the one by
the other. Both are counted in passes of one image through the UNet, not in seconds: the plan is the same on
every machine, and nothing of it depends on a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAINING_PASSES = 3  # forward, and a backward pass that costs about two
DECODING_PASSES = 4  # an image's autoencoder and feature networks, about
ENOUGH_EVALUATIONS = 4  # below that, rather fewer images and sampler steps
# Sampler steps and images, at most, in the order in which they are reduced.
REDUCTIONS: tuple[tuple[int, int], ...] = ((1000, 1000), (20, 1000), (20, 32), (12, 32), (12, 16))


@dataclass(frozen=True, slots=True)
class Wishes:
    """Requests of the settings for each evaluation. images: for metrics. grid: of these, or more, to look at.

    kinds: of weights (raw, EMA). share: of the training's own passes that drawing may cost.
    """

    images: int = 0
    grid: int = 0
    sampler_steps: int = 50
    guided: bool = True
    kinds: int = 2
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """draw_every: optimizer steps, a multiple of those between validations; the last step always draws.

    share: what drawing comes to, of the training's passes. reduced: in words, "" where all wishes are met.
    """

    draw_every: int
    images: int
    grid: int
    sampler_steps: int
    share: float
    reduced: str

    def due(self, step: int, *, last: bool) -> bool:
        return max(self.images, self.grid) > 0 and (last or step % self.draw_every == 0)


def plan_evaluation(wishes: Wishes, *, steps: int, global_batch: int, evaluate_every: int) -> EvaluationPlan:
    """The first of REDUCTIONS that leaves enough evaluations within the share; else the last of them."""
    budget = wishes.share * steps * global_batch * TRAINING_PASSES
    wanted = -(-steps // evaluate_every)
    sampler_steps, images, grid, count = wishes.sampler_steps, wishes.images, wishes.grid, wanted
    for most_steps, most_images in REDUCTIONS:
        sampler_steps = min(wishes.sampler_steps, most_steps)
        images, grid = min(wishes.images, most_images), min(wishes.grid, most_images)
        cost = passes(wishes, sampler_steps, max(images, grid))
        count = min(wanted, int(budget / cost)) if cost else wanted
        if count >= min(wanted, ENOUGH_EVALUATIONS):
            break
    count = max(count, 1)
    every = evaluate_every * -(-wanted // count)
    evaluations = -(-steps // every)
    spent = evaluations * passes(wishes, sampler_steps, max(images, grid)) / (steps * global_batch * TRAINING_PASSES)
    reduced = _reduced(wishes, sampler_steps, images, grid, evaluations, wanted)
    return EvaluationPlan(every, images, grid, sampler_steps, spent, reduced)


def passes(wishes: Wishes, sampler_steps: int, images: int) -> int:
    """Of one evaluation, all kinds of weights."""
    return wishes.kinds * images * (sampler_steps * (2 if wishes.guided else 1) + DECODING_PASSES)


def _reduced(wishes: Wishes, sampler_steps: int, images: int, grid: int, evaluations: int, wanted: int) -> str:
    pairs = {
        "sampler steps": (wishes.sampler_steps, sampler_steps),
        "images for metrics": (wishes.images, images),
        "images of the grid": (wishes.grid, grid),
        "evaluations that draw": (wanted, evaluations),
    }
    return ", ".join(f"{name} {now} instead of {asked}" for name, (asked, now) in pairs.items() if asked != now)
