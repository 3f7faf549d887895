"""The job of `woundgen train`: photographs in, an adapter out, measured on the way."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch.utils.checkpoint import checkpoint

from woundgen.adapters.lora_forward import run_by_position
from woundgen.adapters.methods import Method, prepare_method
from woundgen.adapters.noise_schedule import with_zero_terminal_snr
from woundgen.adapters.power_ema import LENGTHS
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.data.photo_set import PhotoSet, as_trained_on, gather_for, phase_groups
from woundgen.errors import UserError
from woundgen.features.load import check_names
from woundgen.models.base import BaseModel, load_base, release_parts
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.half_precision import HALVES, run_in_half
from woundgen.models.prompts import PromptTable, note_cut_prompts
from woundgen.runtime.devices import choose_device, choose_precision
from woundgen.runtime.lock import only_writer
from woundgen.runtime.ranks import ALONE, Ranks, unheard
from woundgen.runtime.signals import StopRequest, stop_on_signals
from woundgen.storage.checkpoint import clear_left_overs
from woundgen.storage.files import told_of_the_disk
from woundgen.storage.names import CHECKPOINTS, prepared_folder
from woundgen.training.batches import with_class_images
from woundgen.training.generators import start_generators
from woundgen.training.latents import joined
from woundgen.training.log import RunLog, restore_logs
from woundgen.training.loop import Network, train
from woundgen.training.optimizer_state import under
from woundgen.training.plan import Plan, schedule
from woundgen.training.state import eight_bit, new_optimizer
from woundgen.workflows.train.dataset import encode_variations
from woundgen.workflows.train.image_metrics import reference_of
from woundgen.workflows.train.loss_regions import masks_digest, masks_of, regions_of
from woundgen.workflows.train.loss_terms import discriminator_of, judge_of, perceptual_network, settle_network, terms_of
from woundgen.workflows.train.observer import Observer, Progress
from woundgen.workflows.train.prior_images import class_images_for
from woundgen.workflows.train.probe import native_pixels, tried
from woundgen.workflows.train.resume import check_draws, start_state
from woundgen.workflows.train.rollback import going_back
from woundgen.workflows.train.run_folder import find_checkpoint, identity_of, open_run, write_end, write_start
from woundgen.workflows.train.settings import loop_settings, plan_of

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
        say, progress = unheard, unheard
    _check_prompts(config)
    config = settle_network(config, say)
    if config.optimizer == "adamw-8bit":
        eight_bit()
    device = choose_device(config.device)
    precision = choose_precision(config.mixed_precision, device, say)
    base = load_base(config.base_model, notice=say)
    _check_fits(config, base)
    if config.zero_terminal_snr:
        base = with_zero_terminal_snr(base)
    if config.use_xformers:
        say("use_xformers: PyTorch's own memory-efficient attention serves")
    method, trainable = prepare_model(base, config, device, precision)
    _note_cut_prompts(config, base, say)  # once the base knows what word is learned
    photos = gather_for(config, data)
    trained = as_trained_on(config, data, photos)
    masks = masks_of(config, trained, data=data)
    masks_told = masks_digest(config, masks)
    perceptual = perceptual_network(config)
    check_names(config.features)  # what these would refuse is refused before anything is written
    reference = reference_of(photos, config)
    plan = plan_of(config, photos, reference, ranks.size, native_pixels=native_pixels(base))
    if config.fold is not None:
        say(f"fold         {config.fold} of {config.folds}: {out}")
    announce(plan, photos, method, base, ranks.size, say)
    terms = terms_of(config, base, device, perceptual=perceptual, discriminator=discriminator_of(config, base, device))
    dropout = run_by_position(base.unet, dropout=config.lora_dropout) if method.name == "lora" else None
    unet = stepped(base, config, trainable, device)
    found = tried(
        base,
        unet,
        trainable,
        plan,
        contexts=PromptTable(base, [prompts_for(config, config.phases[0])[0]], live=method.reads_text),
        dropout=dropout,
        terms=terms,
        settings=loop_settings(config, plan, precision),
        side=config.trained_side,
        averages=config.ema + (len(LENGTHS) if config.keeps_snapshots else 0),
        keep_last=config.keep_last_n_checkpoints,
        steps=config.probe_steps,
        processes=ranks.size,
        out=out,
        say=say,
    )
    if dry_run:
        return None

    identity = identity_of(config, photos, base, masks_told)
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
                masks_digest=masks_told,
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
                masks_digest=masks_told,
                trainable=method.expected,
                command=command,
                processes=ranks.size,
                estimate=found,
            )
        ranks.agree(0, "start")  # the others read nothing before the folder is ours
        if not ranks.first:
            checkpoint = find_checkpoint(out / CHECKPOINTS, resume, say)
        drawn = class_images_for(config, base, out, say=say, ranks=ranks)  # while the base is untrained
        optimizer = new_optimizer(
            trainable, betas=(0.9, 0.999), weight_decay=config.weight_decay, kind=config.optimizer
        )
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        start_generators(config.seed, 0)
        start = trainable.values.detach().cpu().clone()
        discriminator = judge_of(terms)
        state = start_state(
            trainable, optimizer, scaler, checkpoint, ema=config.ema, powers=LENGTHS if config.keeps_snapshots else ()
        )
        ranks.agree(state.step, "checkpoint")
        if checkpoint is not None:
            check_draws(checkpoint, config.seed, allow_changes=allow_changes, say=say)
            if discriminator is not None:
                discriminator.restore(under("discriminator", checkpoint.tensors))
            say(f"going on from {checkpoint.folder.name} (step {state.step} of {plan.steps})")

        rows = photos.rows("train")
        prompts = [prompts_for(config, photos.photos[row].phase)[0] for row in rows]
        contexts = PromptTable(base, prompts + [config.class_prompt] * len(drawn), live=method.reads_text)
        latents = encode_variations(
            base,
            trained.images[rows],
            count=config.augmentation_variations if config.data_augmentation else 1,
            seed=config.seed,
            say=say,
        )
        latents = replace(
            latents,
            region=regions_of(config, masks, latents=latents),
            groups=phase_groups([photos.photos[row].phase for row in rows]) if config.balance_phases else None,
        )
        batches = None
        if len(drawn):
            batches = with_class_images(
                latents,
                seed=config.seed,
                batch=config.global_batch,
                class_images=len(drawn),
                weight=config.prior_weight,
            )
            others = encode_variations(base, drawn, count=latents.mean.shape[1], seed=config.seed, say=say)
            latents = joined(latents, others)
        log = None
        if ranks.first:
            restore_logs(out, checkpoint)
            log = RunLog(out, resumed_step=state.step)
            stack.callback(log.close)
        stop: StopRequest = stack.enter_context(stop_on_signals())
        observer = Observer.create(
            config=config,
            plan=plan,
            photos=trained,
            reference=reference,
            base=base,
            method=method,
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
            discriminator=discriminator,
        )
        decodes = bool(plan.evaluation.images or plan.evaluation.grid or perceptual)
        say(f"let go: {release_parts(base, decodes=decodes):,} parameters that only caching needed")
        if not observer.stopping.exhausted:  # a run that stopped early stays stopped
            train(
                unet=unet,
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
                dropout=dropout,
                settings=loop_settings(config, plan, precision, batches),
                state=state,
                after_step=observer.after_step,
                ranks=ranks,
                terms=terms,
                go_back=going_back(observer, start=start, discriminator=discriminator),
                batches=batches,
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


def prepare_model(
    base: BaseModel, config: TrainConfig, device: torch.device, precision: str
) -> tuple[Method, FlatParameters]:
    """The base on `device`, in `precision`, with what the method adds to it; what is trained as one vector."""
    for part in base.modules:
        part.to(device)
    method = prepare_method(base, config)
    if config.gradient_checkpointing:
        # The recomputed pass draws nothing (adapters/dropout.py), so no generator's state need be kept for it; reading
        # one cannot be recorded in a CUDA graph.
        base.unet.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=False, preserve_rng_state=False))
    if precision in HALVES:
        run_in_half(base.unet, HALVES[precision])
    trainable = flatten(method.parameters)
    assert trainable.values.numel() == method.expected
    return method, trainable


def stepped(base: BaseModel, config: TrainConfig, trainable: FlatParameters, device: torch.device) -> Network:
    """What the loop calls in place of the UNet: compiled, or replayed on a GPU, or the UNet itself."""
    if config.compile:
        return torch.compile(base.unet)  # type: ignore[return-value]
    if config.cuda_graphs and device.type == "cuda":
        return ReplayedUNet(base.unet, trainable)
    return base.unet


def announce(plan: Plan, photos: PhotoSet, method: Method, base: BaseModel, processes: int, say: Say) -> None:
    """The plan, before anything runs."""
    counts = ", ".join(
        f"{phase}: {sides['train']} train + {sides['validation']} validation + {sides['holdout']} sealed"
        for phase, sides in photos.counts().items()
    )
    total = sum(p.numel() for part in (base.unet, *base.text_encoders.values()) for p in part.parameters())
    say(f"prepared     kept in {prepared_folder()}, private (woundgen data cache lists and purges)")
    say(f"photographs  {counts} (split by {photos.grouping})")
    say(f"steps        {plan.steps} ({plan.steps_per_epoch:.2f} an epoch, {plan.epochs:.0f} epochs)")
    shares = -(-plan.global_batch // plan.micro_batch)
    say(
        f"batch        {plan.global_batch} images a step, whatever the devices: {shares} micro-batches of at most "
        f"{plan.micro_batch} on {processes} process{'es' * (processes > 1)}"
    )
    if processes > 1:
        say(f"processes    {processes}, which share the micro-batches of a step")
    say(f"warm-up      {plan.warmup_steps} steps, {plan.warmup_share:.0%} of the run")
    say("rate         " + ", ".join(f"{name} {rate:.2g}" for name, rate in plan.rates.items()))
    if plan.ema_start_share is not None:
        say(f"EMA          holds {plan.ema_start_share:.1%} of the untrained weights at the end")
    say(f"checkpoints  {plan.saves}, one every {plan.save_every} steps")
    drawing = plan.evaluation
    if max(drawing.images, drawing.grid):
        told = f"every {drawing.draw_every} steps {drawing.images} images to measure, {drawing.grid} to look at, "
        told += f"{drawing.sampler_steps} sampler steps: {drawing.share:.0%} of the training's passes"
        say(f"evaluation   {told}" + (f" ({drawing.reduced})" if drawing.reduced else ""))
    say(f"trained      {method.expected:,} of {total:,} parameters of UNet and text encoder ({method.name})")
    for warning in plan.warnings:
        say(f"warning: {warning}")


def _check_prompts(config: TrainConfig) -> None:
    if config.prompts in ("short", "none") and len(config.phases) > 1:
        raise UserError(
            f"prompts: {config.prompts} gives the phases {', '.join(config.phases)} the same text.",
            "Train one adapter a phase, or use prompts: medical.",
        )


def _check_fits(config: TrainConfig, base: BaseModel) -> None:
    """Before any image is read: size against the base."""
    factor = 2 ** (len(base.vae.config.block_out_channels) - 1)
    levels = 2 ** (len(base.unet.config.block_out_channels) - 1)
    if config.trained_side % (factor * levels):
        key = "resolution" if config.train_resolution is None else "train_resolution"
        raise UserError(
            f"{key} = {config.trained_side} does not fit base model {base.name}.",
            f"Give a multiple of {factor * levels}.",
        )


def _note_cut_prompts(config: TrainConfig, base: BaseModel, say: Say) -> None:
    for phase in config.phases:
        positive, negative = prompts_for(config, phase)
        named = {f"prompt of phase {phase}": positive, f"negative prompt of phase {phase}": negative}
        note_cut_prompts(base, named, say)
