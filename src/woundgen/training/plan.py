"""Plan a run in numbers before it starts: steps, rates, how far EMA follows, and warnings of what cannot work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from woundgen.adapters.ema import share_of_start
from woundgen.config.train import TrainConfig
from woundgen.training.evaluation_plan import EvaluationPlan, Wishes, plan_evaluation
from woundgen.training.learning_rate import schedule


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything counted in optimizer steps. rates: learning rate at named points of the run."""

    images: int
    validation_images: int
    global_batch: int
    micro_batch: int
    steps: int
    steps_per_epoch: float
    epochs: float
    warmup_steps: int
    warmup_share: float
    rates: dict[str, float]
    ema_start_share: float | None  # of the untrained weights left in the average at the end
    save_every: int
    evaluate_every: int
    saves: int  # checkpoints, by count of steps
    evaluation: EvaluationPlan
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        flat = asdict(self)
        evaluation = {f"evaluation_{key}": value for key, value in flat.pop("evaluation").items()}
        return {**flat, **evaluation, "warnings": list(self.warnings)}


NOTHING_DRAWN = Wishes()


def make_plan(
    config: TrainConfig,
    *,
    images: int,
    validation_images: int,
    evaluation: Wishes = NOTHING_DRAWN,
    processes: int = 1,
    native_pixels: int | None = None,
) -> Plan:
    """Turn epochs into steps once; every photograph is used equally often and no batch is dropped.

    evaluation: what the settings ask for at each evaluation. native_pixels: side of the images the base was made for.
    """
    optimization, averaging, global_batch = config.optimization, config.averaging, config.global_batch
    per_epoch = images / global_batch
    steps = optimization.max_steps or max(1, math.ceil(optimization.max_epochs * per_epoch))
    warmup = optimization.warmup_steps
    rate = schedule(optimization.scheduler, peak=optimization.learning_rate, steps=steps, warmup=warmup)
    start_share = None
    if averaging.ema:
        start_share = share_of_start(steps, decay=averaging.decay, warmup=averaging.warmup)
    save_every = max(1, round(config.checkpoints.every_n_epochs * per_epoch))
    evaluate_every = max(1, round(config.evaluation.every_n_epochs * per_epoch))
    plan = Plan(
        images=images,
        validation_images=validation_images,
        global_batch=global_batch,
        micro_batch=min(config.batch.per_gpu, math.ceil(global_batch / processes)),  # each process has work
        steps=steps,
        steps_per_epoch=per_epoch,
        epochs=steps / per_epoch,
        warmup_steps=warmup,
        warmup_share=min(1.0, warmup / steps),
        rates={name: rate(int(share * (steps - 1))) for name, share in _POINTS.items()},
        ema_start_share=start_share,
        save_every=save_every,
        saves=-(-steps // save_every),
        evaluate_every=evaluate_every,
        evaluation=plan_evaluation(evaluation, steps=steps, global_batch=global_batch, evaluate_every=evaluate_every),
        warnings=(),
    )
    warnings = (
        *_schedule_warnings(plan, config),
        *_average_warnings(plan, config),
        *_evaluation_warnings(plan, evaluation),
        *_size_warnings(config.trained_side, native_pixels),
    )
    return replace(plan, warnings=warnings)


FEWEST_SNAPSHOTS = 4
_POINTS = {"start": 0.0, "quarter": 0.25, "half": 0.5, "end": 1.0}


def _schedule_warnings(plan: Plan, config: TrainConfig) -> Iterator[str]:
    """Warn of rates, warm-up, guidance and numbers of steps that are known not to work."""
    rate, guidance = config.optimization.learning_rate, config.sampling.guidance_scale
    if config.optimization.algorithm == "prodigy":
        if rate < 0.1:
            yield f"learning_rate {rate:g} is a factor on the rate that prodigy finds; set learning_rate: 1"
    elif config.model.method == "lora" and rate < 5e-5 and plan.steps < 5000:
        yield (
            f"learning_rate {rate:g} with LoRA over {plan.steps} steps barely moves the model; "
            "1e-4 to 1e-3 is usual (docs/results.md has the sweep)"
        )
    if plan.warmup_share > 0.1:
        yield (
            f"lr_warmup_steps {plan.warmup_steps} is {plan.warmup_share:.0%} of the run; "
            f"set lr_warmup_steps to {max(1, plan.steps // 20)}"
        )
    if guidance > 7:
        yield f"guidance_scale {guidance:g} draws the prompt rather than the data; compare with 1.5 to 3"
    if plan.steps < 50:
        yield f"only {plan.steps} optimizer steps; lower planned_devices or gradient_accumulation"


def _average_warnings(plan: Plan, config: TrainConfig) -> Iterator[str]:
    """Warn of an EMA that does not follow, or whose decay is never reached, and of few snapshots."""
    decay, warmup = config.averaging.decay, config.averaging.warmup
    if plan.ema_start_share is not None and plan.ema_start_share > 0.1:
        yield (
            f"at the end EMA still holds {plan.ema_start_share:.0%} of the untrained weights; "
            + ("set ema_warmup: true" if not warmup else f"lower ema_decay to {1 - 10 / max(plan.steps, 20):.3f}")
        )
    is_short = plan.steps * (1 - decay) < 0.2 and (1 + plan.steps) / (10 + plan.steps) < decay
    if config.averaging.ema and warmup and is_short:
        yield f"ema_decay {decay:g} is never reached in {plan.steps} steps: the warm-up sets the average's length"
    if config.keeps_snapshots and plan.saves < FEWEST_SNAPSHOTS:
        often = max(1, int(plan.epochs / (2 * FEWEST_SNAPSHOTS)))
        yield (
            f"{plan.saves} saves are few for EMA of any length (ema@LENGTH); lower save_every_n_epochs to {often}, "
            "or set post_hoc_ema: false"
        )


def _evaluation_warnings(plan: Plan, evaluation: Wishes) -> Iterator[str]:
    """Warn where a single evaluation costs more than its share."""
    if plan.evaluation.share > evaluation.share:
        yield (
            f"drawing and measuring once comes to {plan.evaluation.share:.0%} of the training, more than "
            f"evaluation_share {evaluation.share:g}; set metric_images: 0, or fewer sample_images"
        )


def _size_warnings(train_pixels: int | None, native_pixels: int | None) -> list[str]:
    """Stable Diffusion 1 and 2 tuned below their native size give messy pictures (huggingface/diffusers issue 3914)."""
    if train_pixels is None or native_pixels is None or 2 * train_pixels > native_pixels:
        return []
    costs = ", ".join(
        f"{side} costs about {(side / train_pixels) ** 2:.0f} times a step"
        for side in (native_pixels // 2, native_pixels)
    )
    return [
        f"the base was made for images of {native_pixels} pixels and is trained on {train_pixels}, where its pictures "
        f"are known to be messy; set train_resolution: {native_pixels} or {native_pixels // 2} ({costs})"
    ]


def disk_bytes(plan: Plan, *, parameters: int, averages: int, keep_last: int, moments: int = 2) -> int:
    """Return the bytes of a run's checkpoints in single precision: all adapters, and the training state of the newest.

    averages: kinds of EMA, each in the training state and as an adapter in every checkpoint. moments: vectors that the
    optimizer keeps.
    """
    whole = min(plan.saves, keep_last + 1)  # the newest and the best stay whole
    adapters = plan.saves * (1 + averages) * parameters
    states = whole * (1 + moments + averages) * parameters  # the values, too
    return 4 * (adapters + states)
