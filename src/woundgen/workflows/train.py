"""The job of `woundgen train`: photographs in, an adapter out, measured on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from woundgen.config import TrainConfig, prompts_for
from woundgen.errors import UserError
from woundgen.features.load import check_names
from woundgen.models.adapter import add_lora, run_by_position
from woundgen.models.base import BaseModel, load_base, prompt_length
from woundgen.models.flat import FlatParameters, flatten
from woundgen.rundir import (
    BEST,
    CHECKPOINTS,
    LATEST,
    RUN_JSON,
    claim_output,
    read_json,
    sha256_json,
    write_json,
)
from woundgen.training.checkpoint import Checkpoint, newest_sound, pointer, read_checkpoint
from woundgen.training.interrupt import StopRequest, stop_on_signals
from woundgen.training.log import RunLog
from woundgen.training.loop import LoopSettings, LoopState, train
from woundgen.training.plan import Plan, make_plan, schedule
from woundgen.training.state import new_optimizer, unpack
from woundgen.workflows.measure import RealSets
from woundgen.workflows.observer import Observer, Progress
from woundgen.workflows.photographs import PhotoSet, gather_for
from woundgen.workflows.seen import run_record
from woundgen.workflows.setup import (
    PromptTable,
    choose_device,
    choose_precision,
    encode_variations,
    git_state,
    lora_settings,
    versions,
)
from woundgen.workflows.training_measure import reference_of, wishes_of

Say = Callable[[str], None]

# Settings that may differ between a run and its continuation: they do not alter the trajectory.
FREE_TO_CHANGE = frozenset(
    {
        "data", "device", "use_xformers", "inference_steps_production", "guidance_scale", "keep_last_n_checkpoints",
        "negative_prompt",
    }
)  # fmt: skip


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
) -> TrainResult | None:
    """Plan, train, evaluate, save. The same call on the same folder goes on where it was. None for a dry run.

    resume: None (go on if the folder holds this run), "latest", "best" or a checkpoint's path or name.
    """
    started = time.monotonic()
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
    plan = plan_of(config, photos, reference)
    announce(plan, photos, trainable, base, say)
    if dry_run:
        return None

    identity = identity_of(config, photos, base)
    _open_run(out, identity=identity, config=config, resume=resume)
    checkpoint = find_checkpoint(out / CHECKPOINTS, resume, say)
    started_before = _write_start(out, config, data, plan, photos, base, trainable, command)
    optimizer = new_optimizer(trainable, betas=(0.9, 0.999), weight_decay=config.weight_decay)
    state = _start_state(trainable, optimizer, checkpoint, ema=config.ema)
    if checkpoint is not None:
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
    log = RunLog(out, resumed_step=state.step)
    with ExitStack() as stack:
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
            state=state,
            log=log,
            folder=out,
            stop=stop,
            say=say,
            progress=progress,
            resumed=checkpoint,
        )
        if not observer.stopping.exhausted:  # a run that stopped early stays stopped
            train(
                unet=base.unet,
                trainable=trainable,
                optimizer=optimizer,
                scaler=torch.amp.GradScaler(device.type, enabled=precision == "fp16"),
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
            )
        observer.finish()
    seconds = started_before + time.monotonic() - started
    exit_code = 0 if stop.received is None else stop.exit_code
    _write_end(out, seconds=seconds, status="finished" if exit_code == 0 else "stopped", observer=observer)
    if exit_code:
        say(f"stopped by signal {stop.received} after step {state.step}; the same command goes on from here")
    return TrainResult(folder=out, steps=state.step, exit_code=exit_code)


def plan_of(config: TrainConfig, photos: PhotoSet, reference: RealSets | None) -> Plan:
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


def announce(plan: Plan, photos: PhotoSet, trainable: FlatParameters, base: BaseModel, say: Say) -> None:
    """The plan, before anything runs."""
    counts = ", ".join(
        f"{phase}: {sides['train']} train + {sides['validation']} validation"
        for phase, sides in photos.counts().items()
    )
    total = sum(p.numel() for p in base.unet.parameters())
    say(f"photographs  {counts} (split by {photos.grouping})")
    say(f"steps        {plan.steps} ({plan.steps_per_epoch:.2f} an epoch, {plan.epochs:.0f} epochs)")
    say(f"batch        {plan.global_batch} in micro-batches of {plan.micro_batch}")
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


def identity_of(config: TrainConfig, photos: PhotoSet, base: BaseModel) -> str:
    """Digest of all that decides the trajectory."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in FREE_TO_CHANGE}
    return sha256_json({"config": settings, "data": photos.digest, "base": base.digest})


def find_checkpoint(root: Path, resume: str | None, say: Say) -> Checkpoint | None:
    """What to go on from. A name asked for must exist; without one the newest sound checkpoint serves."""
    if resume in (None, LATEST):
        newest = newest_sound(root, warn=say)
        if newest is None and resume == LATEST:
            raise UserError(f"--resume latest: {root} holds no checkpoint.", "Leave --resume out to start.")
        return None if newest is None else read_checkpoint(newest)
    assert resume is not None
    if resume == BEST:
        name = pointer(root, BEST)
        if name is None:
            raise UserError(f"--resume best: no best checkpoint in {root} yet.", "Use --resume latest.")
        return read_checkpoint(root / name)
    for folder in (Path(resume), root / resume, root / Path(resume).name):
        if folder.is_dir() and folder.resolve().parent == root.resolve():
            return read_checkpoint(folder)
    epoch = Path(resume).stem.removeprefix("epoch_")
    if epoch.isdigit():
        matches = sorted(root.glob(f"epoch_{int(epoch):04d}_*"))
        if matches:
            return read_checkpoint(matches[-1])
    raise UserError(f"--resume {resume}: no such checkpoint in {root}.", f"It holds: {_names(root)}.")


def _names(root: Path) -> str:
    names = sorted(path.name for path in root.glob("epoch_*"))
    return ", ".join(names) or "none"


def _open_run(out: Path, *, identity: str, config: TrainConfig, resume: str | None) -> None:
    if resume is not None and not out.exists():
        raise UserError(f"--resume {resume}: {out} does not exist.", "Leave --resume out to start.")
    try:
        claim_output(out, identity=identity, what="run")
    except UserError:
        differences = _differences(out, config)
        if not differences:
            raise
        raise UserError(
            f"{out} holds a run with other settings: {'; '.join(differences)}.",
            "Choose another --out, or give the settings of that run.",
        ) from None


def _differences(out: Path, config: TrainConfig) -> list[str]:
    """Settings in which the run in `out` differs, or that its data or base do."""
    path = out / RUN_JSON
    if not path.exists():
        return []
    before, now = read_json(path)["config"], config.model_dump(mode="json")
    changed = [key for key in now if key not in FREE_TO_CHANGE and before.get(key) != now[key]]
    return [f"{key} was {before.get(key)!r}, now {now[key]!r}" for key in changed] or [
        "the photographs or the base model have changed"
    ]


def _write_start(
    out: Path,
    config: TrainConfig,
    data: Path,
    plan: Plan,
    photos: PhotoSet,
    base: BaseModel,
    trainable: FlatParameters,
    command: Sequence[str],
) -> float:
    """run.json at the start; returns the seconds spent before a resume."""
    path = out / RUN_JSON
    before: dict[str, Any] = read_json(path) if path.exists() else {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(
        path,
        {
            "name": out.name,
            "phases": list(config.phases),
            "created": before.get("created", now),
            "command": before.get("command", list(command)),
            "config": config.model_dump(mode="json"),
            "versions": versions(),
            "git": git_state(Path(__file__).parent),
            "data": {
                "folder": str(data.resolve()),
                "digest": photos.digest,
                "counts": photos.counts(),
                "grouping": photos.grouping,
                **run_record(photos.photos, folder=data, before=before.get("data", {})),
            },
            "base": {"name": base.name, "digest": base.digest},
            "plan": plan.to_json(),
            "parameters": {
                "trainable": trainable.values.numel(),
                "total": sum(p.numel() for p in base.unet.parameters()),
            },
            "status": "running",
            "seconds": before.get("seconds", {"training": 0.0}),
            "best": before.get("best"),
        },
    )
    return float(before.get("seconds", {}).get("training", 0.0))


def _write_end(out: Path, *, seconds: float, status: str, observer: Observer) -> None:
    content = read_json(out / RUN_JSON)
    write_json(
        out / RUN_JSON,
        content | {"status": status, "seconds": {"training": seconds}, "best": observer.best_record()},
    )


def _start_state(
    trainable: FlatParameters, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint | None, *, ema: bool
) -> LoopState:
    if checkpoint is None:
        return LoopState(step=0, average=trainable.values.detach().clone() if ema else None)
    return unpack(checkpoint.tensors, checkpoint.state, trainable=trainable, optimizer=optimizer)


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
