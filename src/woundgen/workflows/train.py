"""The job of `woundgen train`: photographs in, an adapter out, measured on the way."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from woundgen.config import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.features.load import check_names
from woundgen.models.adapter import add_lora, run_by_position
from woundgen.models.base import BaseModel, load_base, prompt_length
from woundgen.models.flat import FlatParameters, flatten
from woundgen.rundir import CHECKPOINTS, told_of_the_disk
from woundgen.training.checkpoint import Checkpoint, clear_left_overs
from woundgen.training.generators import draws_digest, start_generators
from woundgen.training.interrupt import StopRequest, stop_on_signals
from woundgen.training.lock import only_writer
from woundgen.training.log import RunLog, restore_logs
from woundgen.training.loop import LoopSettings, LoopState, train
from woundgen.training.plan import Plan, make_plan, schedule
from woundgen.training.ranks import ALONE, Ranks
from woundgen.training.state import new_optimizer, unpack
from woundgen.workflows.measure import RealSets
from woundgen.workflows.observer import Observer, Progress
from woundgen.workflows.photographs import PhotoSet, gather_for
from woundgen.workflows.run_folder import find_checkpoint, identity_of, open_run, write_end, write_start
from woundgen.workflows.setup import (
    PromptTable,
    choose_device,
    choose_precision,
    encode_variations,
    lora_settings,
)
from woundgen.workflows.training_measure import reference_of, wishes_of

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """folder: of the run. steps: reached. exit_code: 0, or 128 + the signal that ended it."""

    folder: Path
    steps: int
    exit_code: int


def train_adapter(
    config: TrainConfig,
    *,
    data: Path,
    out: Path,
    resume: str | None,
    dry_run: bool,
    command: Sequence[str],
    say: Say,
    progress: Progress,
    allow_changes: bool = False,
    ranks: Ranks = ALONE,
) -> TrainResult | None:
    """Plan, train, evaluate, save. The same call on the same folder goes on where it was. None for a dry run.

    resume: None (go on if the folder holds this run), "latest", "best" or a checkpoint's path or name.
    allow_changes: go on with other settings than the run was begun with, and record it.
    ranks: the processes that share the work; the first of them writes and speaks.
    """
    started = time.monotonic()
    if not ranks.first:
        say, progress = _unheard, _unseen
    _check_prompts(config)
    device = choose_device(config.device)
    precision = choose_precision(config.mixed_precision, device, say)
    base = load_base(config.base_model, notice=say)
    _check_fits(config, base, say)
    if config.use_xformers:
        say("use_xformers: PyTorch's own memory-efficient attention serves")
    trainable = prepare_model(base, config, device)
    photos = gather_for(config, data)
    check_names(config.features)  # what these would refuse is refused before anything is written
    reference = reference_of(photos, config)
    plan = plan_of(config, photos, reference, ranks.size)
    if config.fold is not None:
        say(f"fold         {config.fold} of {config.folds}: {out}")
    announce(plan, photos, trainable, base, ranks.size, say)
    if dry_run:
        return None

    identity = identity_of(config, photos, base)
    ranks.agree(int(identity[:15], 16), "photographs, settings or base model")
    with ExitStack() as stack:
        stack.enter_context(told_of_the_disk(out))
        started_before = 0.0
        if ranks.first:
            open_run(
                out,
                identity=identity,
                config=config,
                data_digest=photos.digest,
                base_digest=base.digest,
                resume=resume,
                allow_changes=allow_changes,
                say=say,
            )
            stack.enter_context(only_writer(out))
            clear_left_overs(out)
            checkpoint = find_checkpoint(out / CHECKPOINTS, resume, say)  # may refuse, so before run.json is written
            started_before = write_start(
                out,
                config=config,
                data=data,
                plan=plan,
                photos=photos,
                base=base,
                trainable=trainable.values.numel(),
                command=command,
                processes=ranks.size,
            )
        ranks.agree(0, "start")  # the others read nothing before the folder is ours
        if not ranks.first:
            checkpoint = find_checkpoint(out / CHECKPOINTS, resume, say)
        optimizer = new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=config.weight_decay)
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        start_generators(config.seed, 0)
        state = _start_state(trainable, optimizer, scaler, checkpoint, ema=config.ema)
        ranks.agree(state.step, "checkpoint")
        if checkpoint is not None:
            _check_draws(checkpoint, config.seed, allow_changes=allow_changes, say=say)
            say(f"going on from {checkpoint.folder.name} (step {state.step} of {plan.steps})")

        rows = photos.rows("train")
        contexts = PromptTable(base, [prompts_for(config, photos.photos[row].phase)[0] for row in rows])
        latents = encode_variations(
            base,
            photos.images[rows],
            count=config.augmentation_variations if config.data_augmentation else 1,
            seed=config.seed,
            say=say,
        )
        log = None
        if ranks.first:
            restore_logs(out, checkpoint)
            log = RunLog(out, resumed_step=state.step)
            stack.callback(log.close)
        stop: StopRequest = stack.enter_context(stop_on_signals())
        observer = Observer.create(
            config=config,
            plan=plan,
            photos=photos,
            reference=reference,
            base=base,
            trainable=trainable,
            optimizer=optimizer,
            scaler=scaler,
            state=state,
            log=log,
            folder=out,
            identity=identity,
            stop=stop,
            say=say,
            progress=progress,
            resumed=checkpoint,
            ranks=ranks,
        )
        if not observer.stopping.exhausted:  # a run that stopped early stays stopped
            train(
                unet=base.unet,
                trainable=trainable,
                optimizer=optimizer,
                scaler=scaler,
                learning_rate=schedule(
                    config.lr_scheduler, peak=config.learning_rate, steps=plan.steps, warmup=config.lr_warmup_steps
                ),
                latents=latents,
                contexts=contexts,
                alphas_cumprod=base.alphas_cumprod,
                prediction=base.prediction,
                dropout=run_by_position(base.unet, dropout=config.lora_dropout),
                settings=loop_settings(config, plan, precision),
                state=state,
                after_step=observer.after_step,
                ranks=ranks,
            )
        observer.finish()
        seconds = started_before + time.monotonic() - started
        exit_code = 0 if observer.stopped_by is None else 128 + observer.stopped_by
        if ranks.first:
            status = "finished" if exit_code == 0 else "stopped"
            write_end(out, seconds=seconds, status=status, best=observer.best_record())
    if exit_code:
        say(f"stopped by signal {observer.stopped_by} after step {state.step}; the same command goes on from here:")
        say(f"  {shlex.join(command)}")
    return TrainResult(folder=out, steps=state.step, exit_code=exit_code)


def _unheard(line: str) -> None:
    """What every process but the first says."""


def _unseen(done: int, total: int, text: str) -> None:
    """How far every process but the first has come."""


def plan_of(config: TrainConfig, photos: PhotoSet, reference: RealSets | None, processes: int = 1) -> Plan:
    return make_plan(
        images=len(photos.rows("train")),
        validation_images=len(photos.rows("validation")),
        global_batch=config.global_batch,
        batch_size=config.batch_size_per_gpu,
        max_epochs=config.max_epochs,
        max_steps=config.max_steps,
        learning_rate=config.learning_rate,
        scheduler=config.lr_scheduler,
        warmup=config.lr_warmup_steps,
        ema_decay=config.ema_decay if config.ema else None,
        ema_warmup=config.ema_warmup,
        save_every_epochs=config.save_every_n_epochs,
        evaluate_every_epochs=config.evaluate_every_n_epochs,
        guidance_scale=config.guidance_scale,
        method=config.training_method,
        evaluation=wishes_of(config, reference),
        processes=processes,
    )


def loop_settings(config: TrainConfig, plan: Plan, precision: str) -> LoopSettings:
    return LoopSettings(
        seed=config.seed,
        steps=plan.steps,
        global_batch=config.global_batch,
        micro_batch=plan.micro_batch,
        prompt_dropout=config.prompt_dropout,
        snr_gamma=config.min_snr_gamma,
        noise_offset=config.noise_offset,
        max_grad_norm=config.max_gradient_norm,
        ema_decay=config.ema_decay if config.ema else None,
        ema_warmup=config.ema_warmup,
        precision=precision,
    )


def prepare_model(base: BaseModel, config: TrainConfig, device: torch.device) -> FlatParameters:
    """The base with an adapter on `device`; what is trained as one vector."""
    for part in (base.unet, base.vae, base.text_encoder):
        part.to(device)  # type: ignore[arg-type]
    parameters = add_lora(base.unet, lora_settings(config), seed=config.seed)
    if config.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
    expected = sum(p.numel() for p in base.unet.parameters() if p.requires_grad)
    trainable = flatten(parameters)
    assert trainable.values.numel() == expected, "exactly the adapter is trained"
    return trainable


def announce(
    plan: Plan, photos: PhotoSet, trainable: FlatParameters, base: BaseModel, processes: int, say: Say
) -> None:
    """The plan, before anything runs."""
    counts = ", ".join(
        f"{phase}: {sides['train']} train + {sides['validation']} validation"
        for phase, sides in photos.counts().items()
    )
    total = sum(p.numel() for p in base.unet.parameters())
    say(f"photographs  {counts} (split by {photos.grouping})")
    say(f"steps        {plan.steps} ({plan.steps_per_epoch:.2f} an epoch, {plan.epochs:.0f} epochs)")
    say(f"batch        {plan.global_batch} in micro-batches of {plan.micro_batch}")
    if processes > 1:
        say(f"processes    {processes}, which share the micro-batches of a step")
    say(f"warm-up      {plan.warmup_steps} steps, {plan.warmup_share:.0%} of the run")
    say("rate         " + ", ".join(f"{name} {rate:.2g}" for name, rate in plan.rates.items()))
    if plan.ema_start_share is not None:
        say(f"EMA          holds {plan.ema_start_share:.1%} of the untrained weights at the end")
    drawing = plan.evaluation
    if max(drawing.images, drawing.grid):
        told = f"every {drawing.draw_every} steps {drawing.images} images to measure, {drawing.grid} to look at, "
        told += f"{drawing.sampler_steps} sampler steps: {drawing.share:.0%} of the training's passes"
        say(f"evaluation   {told}" + (f" ({drawing.reduced})" if drawing.reduced else ""))
    say(f"trained      {trainable.values.numel():,} of {total:,} parameters")
    for warning in plan.warnings:
        say(f"warning: {warning}")


def _start_state(
    trainable: FlatParameters,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    checkpoint: Checkpoint | None,
    *,
    ema: bool,
) -> LoopState:
    """The state of a run that begins, or that of the checkpoint. EMA newly asked for begins at the weights."""
    if checkpoint is None:
        return LoopState(step=0, average=trainable.values.detach().clone() if ema else None)
    state = unpack(checkpoint.tensors, checkpoint.state, trainable=trainable, optimizer=optimizer, scaler=scaler)
    if not ema:
        state.average = None
    elif state.average is None:
        state.average = trainable.values.detach().clone()
    return state


def _check_draws(checkpoint: Checkpoint, seed: int, *, allow_changes: bool, say: Say) -> None:
    """Whether this machine draws the numbers that the checkpoint's run would have drawn next."""
    said = checkpoint.state.get("draws")
    if said is None or said == draws_digest(seed, int(checkpoint.state["step"])):
        return
    what = f"{checkpoint.folder.name}: this machine or another seed draws other random numbers than that run did."
    if not allow_changes:
        raise UserError(what, "Use the versions of run.json, or go on all the same (--allow-changes).")
    say(f"warning: {what}")


def _check_prompts(config: TrainConfig) -> None:
    if config.prompts in ("short", "none") and len(config.phases) > 1:
        raise UserError(
            f"prompts: {config.prompts} gives the phases {', '.join(config.phases)} the same text.",
            "Train one adapter a phase, or use prompts: medical.",
        )


def _check_fits(config: TrainConfig, base: BaseModel, say: Say) -> None:
    """Before any image is read: size, rank and prompts against the base."""
    factor = 2 ** (len(base.vae.config.block_out_channels) - 1)
    levels = 2 ** (len(base.unet.config.block_out_channels) - 1)
    if config.resolution % (factor * levels):
        raise UserError(
            f"resolution = {config.resolution} does not fit base model {base.name}.",
            f"Give a multiple of {factor * levels}.",
        )
    widest = max(base.unet.config.block_out_channels)
    if config.lora_rank > widest:
        raise UserError(
            f"lora_rank = {config.lora_rank} is larger than the widest layer ({widest}) of {base.name}.",
            "Use 4 to 64.",
        )
    for phase in config.phases:
        length = prompt_length(base, prompts_for(config, phase)[0])
        if length > base.tokenizer.model_max_length:
            say(
                f"warning: the prompt of phase {phase} has {length} tokens and {base.name} reads "
                f"{base.tokenizer.model_max_length}; the rest is cut off"
            )
