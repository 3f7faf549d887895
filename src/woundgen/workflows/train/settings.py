"""Build the Plan and the LoopSettings of a run from its config."""

from __future__ import annotations

from woundgen.config.train import TrainConfig
from woundgen.training.batches import Batches
from woundgen.training.loop_state import LoopSettings
from woundgen.training.plan import Plan, make_plan
from woundgen.workflows.train.dataset import Dataset
from woundgen.workflows.train.image_metrics import evaluation_wishes


def build_plan(config: TrainConfig, dataset: Dataset, *, processes: int, native_pixels: int) -> Plan:
    """Plan a run on `processes` ranks. native_pixels: side of the images that the base was made for."""
    photos = dataset.photos
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
        evaluation=evaluation_wishes(config, dataset.reference),
        processes=processes,
        train_pixels=config.trained_side,
        native_pixels=native_pixels,
        snapshots=config.keeps_snapshots,
    )


def loop_settings(config: TrainConfig, plan: Plan, precision: str, batches: Batches | None = None) -> LoopSettings:
    """Return what the loop takes. batches: where class images enlarge the batch."""
    return LoopSettings(
        seed=config.seed,
        steps=plan.steps,
        global_batch=config.global_batch if batches is None else batches.size,
        micro_batch=plan.micro_batch,
        prompt_dropout=config.prompt_dropout,
        snr_gamma=config.min_snr_gamma,
        noise_offset=config.noise_offset,
        max_grad_norm=config.max_gradient_norm,
        ema_decay=config.ema_decay if config.ema else None,
        ema_warmup=config.ema_warmup,
        precision=precision,
    )
