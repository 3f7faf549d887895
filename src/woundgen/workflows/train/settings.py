"""Build the Plan, the LoopSettings and the noise of a run from its config."""

from __future__ import annotations

from dataclasses import replace

from woundgen.config.train import TrainConfig
from woundgen.training.batches import Batches
from woundgen.training.latents import Latents
from woundgen.training.loop_state import LoopSettings
from woundgen.training.noising import NoiseSettings, Noising, RecordedNoise, build_noising
from woundgen.training.plan import Plan, make_plan
from woundgen.workflows.train.dataset import Dataset
from woundgen.workflows.train.few_photographs import warn_of_few
from woundgen.workflows.train.image_metrics import evaluation_wishes
from woundgen.workflows.train.session import TrainingSession


def build_plan(config: TrainConfig, dataset: Dataset, *, processes: int, native_pixels: int) -> Plan:
    """Plan a run on `processes` ranks. native_pixels: side of the images that the base was made for."""
    photos = dataset.photos
    plan = make_plan(
        config,
        images=len(photos.rows("train")),
        validation_images=len(photos.rows("validation")),
        evaluation=evaluation_wishes(config, dataset.reference),
        processes=processes,
        native_pixels=native_pixels,
    )
    return replace(plan, warnings=(*warn_of_few(photos.counts()), *plan.warnings))


def loop_settings(config: TrainConfig, plan: Plan, precision: str, batches: Batches | None = None) -> LoopSettings:
    """Return what the loop takes. batches: where class images enlarge the batch."""
    return LoopSettings(
        seed=config.seed,
        steps=plan.steps,
        global_batch=config.global_batch if batches is None else batches.size,
        micro_batch=plan.micro_batch,
        max_gradient_norm=config.optimization.max_gradient_norm,
        loss=config.loss,
        averaging=config.averaging,
        precision=precision,
    )


def session_noising(session: TrainingSession, latents: Latents) -> Noising:
    """Return what makes micro-batches of `latents` in the noise stream of the run."""
    config, base, recorder = session.config, session.base, session.model.recorder
    settings = NoiseSettings(
        seed=config.seed,
        offset=config.loss.noise_offset,
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        device=session.device,
    )
    recorded = None if recorder is None else RecordedNoise(recorder, session.model.faults)
    return build_noising(latents, settings, stream=session.state.noise_stream, recorder=recorded)
