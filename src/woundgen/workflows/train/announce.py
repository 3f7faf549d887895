"""Print the plan of a run before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator

from woundgen.storage.names import prepared_folder
from woundgen.workflows.train.memory_plan import memory_lines, plan_memory
from woundgen.workflows.train.session import TrainingSession


def announce(session: TrainingSession) -> None:
    """Print photographs, steps, batch, rates and evaluations."""
    config = session.config
    if config.photographs.fold is not None:
        session.console.info(f"fold         {config.photographs.fold} of {config.photographs.folds}: {session.folder}")
    place = f"prepared     stored in {prepared_folder()}, private (woundgen data cache lists and purges)"
    session.console.detail(place)
    for line in (*_data_lines(session), *_plan_lines(session), *_model_lines(session)):
        session.console.info(line)


def announce_warnings(session: TrainingSession) -> None:
    """Print the plan's warnings, last of all, so that they do not scroll away."""
    for warning in session.plan.warnings:
        session.console.warn(warning)


def announce_memory(session: TrainingSession) -> None:
    """Print the memory of a step on a GPU; a pass that cannot be followed without numbers costs the line alone."""
    try:
        plan = plan_memory(session)
    except RuntimeError as error:  # torch's, of an operation that has no fake kernel
        session.console.warn(f"the memory of a step could not be foreseen ({str(error).partition(chr(10))[0]})")
        return
    for line in memory_lines(plan, session.config, session.precision):
        session.console.info(line)


def _data_lines(session: TrainingSession) -> Iterator[str]:
    photos = session.dataset.photos
    counts = ", ".join(
        f"{phase}: {sides['train']} train + {sides['validation']} validation + {sides['holdout']} sealed"
        for phase, sides in photos.counts().items()
    )
    yield f"photographs  {counts} (split by {photos.grouping})"


def _plan_lines(session: TrainingSession) -> Iterator[str]:
    plan, processes, batch = session.plan, session.ranks.size, session.config.batch
    yield f"steps        {plan.steps} ({plan.steps_per_epoch:.2f} an epoch, {plan.epochs:.0f} epochs)"
    micro_batches = -(-plan.global_batch // plan.micro_batch)
    yield (
        f"batch        {plan.global_batch} images a step (batch_size_per_gpu {batch.per_gpu} x gradient_accumulation "
        f"{batch.accumulation} x planned_devices {batch.devices}, however many there are): {micro_batches} "
        f"micro-batch{'es' * (micro_batches > 1)} of at most {plan.micro_batch} on {processes} "
        f"process{'es' * (processes > 1)}"
    )
    if processes > 1:
        yield f"processes    {processes}, which share the micro-batches of a step"
    yield f"warm-up      {plan.warmup_steps} steps, {plan.warmup_share:.0%} of the run"
    yield "rate         " + ", ".join(f"{name} {rate:.2g}" for name, rate in plan.rates.items())
    if plan.ema_start_share is not None:
        yield f"EMA          holds {plan.ema_start_share:.1%} of the untrained weights at the end"
    yield f"checkpoints  {plan.saves}, one every {plan.save_every} steps"
    evaluation = plan.evaluation
    if max(evaluation.images, evaluation.grid):
        text = (
            f"every {evaluation.draw_every} steps {evaluation.images} images to measure, {evaluation.grid} to look at, "
            f"{evaluation.sampler_steps} sampler steps: {evaluation.share:.0%} of the training's passes"
        )
        yield f"evaluation   {text}" + (f" ({evaluation.reduced})" if evaluation.reduced else "")


def _model_lines(session: TrainingSession) -> Iterator[str]:
    base, method = session.base, session.model.method
    total = sum(p.numel() for part in (base.unet, *base.text_encoders.values()) for p in part.parameters())
    yield f"trained      {method.expected:,} of {total:,} parameters of UNet and text encoder ({method.name})"
