"""Evaluate the weights of a run while it trains: validation loss, sample grids, image metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from woundgen.config.train import prompts_for
from woundgen.data.files.images import read_photograph, write_png
from woundgen.generation.in_memory import DrawParts, draw_images
from woundgen.generation.resize import reduced
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.metrics.measure import load_extractors
from woundgen.models.flat_parameters import temporarily_load, weights_digest
from woundgen.models.images import encode_images
from woundgen.models.prompts import PromptEncoder, known_prompts
from woundgen.records import MetricValue
from woundgen.reporting.pictures import image_grid
from woundgen.storage.names import SAMPLES
from woundgen.training.validation import ValidationGrid, build_grid, loss_value, per_image_loss
from woundgen.workflows.train.encodings import encode_once
from woundgen.workflows.train.image_metrics import build_measure, measure_by_ranks
from woundgen.workflows.train.session import TrainingSession
from woundgen.workflows.train.stopping import Evaluation

Images = NDArray[np.uint8]
SAMPLE_SEED_OFFSET = 77_000  # apart from the training seed, so that a grid does not show memorised noise
VALIDATION_BATCH = 16


@dataclass(frozen=True, slots=True)
class Evaluator:
    """grid: encoded validation images with fixed noise and timesteps. encode: text states of the prompts to sample.

    measure: metrics of sampled images; None where nothing is measured.
    """

    session: TrainingSession
    grid: ValidationGrid
    validation_prompts: PromptEncoder
    encode: Callable[[list[str]], Tensor]
    measure: Callable[[Images], list[MetricValue]] | None

    def run(self, step: int) -> list[Evaluation]:
        """Evaluate raw weights, then EMA if it is on. All ranks call together and get the same."""
        session = self.session
        losses: dict[str, list[float]] = {}
        digests: dict[str, str] = {}
        samples: dict[str, Images] = {}
        for name, vector in session.weights().items():
            with temporarily_load(session.model.trainable, vector, session.base):
                losses[name] = self._validate()
                if session.plan.evaluation.due(step, last=step == session.plan.steps):
                    samples[name] = self._sample(step, name)
            digests[name] = weights_digest(vector)
        measured = measure_by_ranks(samples, measure=self.measure, ranks=session.ranks)
        return [
            Evaluation(
                step,
                name,
                digests[name],
                losses[name],
                [loss_value(torch.tensor(losses[name])), *measured.get(name, [])],
            )
            for name in losses
        ]

    def _validate(self) -> list[float]:
        """Return the loss of each validation image."""
        prompts = self.validation_prompts
        return per_image_loss(
            self.session.base.unet,
            self.grid,
            lambda rows: prompts(rows.tolist(), [False] * len(rows)),
            batch=VALIDATION_BATCH,
            ranks=self.session.ranks,
            unet_pass=self.session.unet_pass,
        ).tolist()

    def _sample(self, step: int, weights: str) -> Images:
        """Sample images from the current weights, with the same seeds each time; save the grid, return the rest."""
        plan, config = self.session.plan.evaluation, self.session.config
        count = max(plan.grid, plan.images)
        self.session.console.progress(step, self.session.plan.steps, f"drawing {count} images")
        texts = [prompts_for(config, phase) for phase in config.photographs.phases]
        images = draw_images(
            self.session.base,
            count=count,
            prompt=[positive for positive, _ in texts],  # in turn
            negative_prompt=texts[0][1],
            guidance_scale=config.sampling.guidance_scale,
            steps=plan.sampler_steps,
            seed=config.seed + SAMPLE_SEED_OFFSET,
            size=config.trained_side,
            ranks=self.session.ranks,
            parts=DrawParts(self.encode, self.session.unet_pass),
        )
        images = reduced(images, config.model.resolution)
        if self.session.ranks.first:
            self._save_grid(images[: plan.grid], step, weights)
        return images[: plan.images]

    def _save_grid(self, images: Images, step: int, weights: str) -> None:
        if len(images):
            folder = self.session.folder / SAMPLES
            folder.mkdir(exist_ok=True)
            columns = math.ceil(math.sqrt(len(images)))
            write_png(self._grid_path(step, weights), image_grid(images, columns=columns, gap=0), text=synthetic_mark())

    def read_grid(self, step: int, weights: str) -> Images | None:
        """Return the grid that was sampled at this step, uint8 [H, W, 3]; None where none was."""
        path = self._grid_path(step, weights)
        return read_photograph(path, roots=[path.parent]) if path.exists() else None

    def _grid_path(self, step: int, weights: str) -> Path:
        return self.session.folder / SAMPLES / f"step_{step:06d}_{weights}.png"


def build_evaluator(session: TrainingSession) -> Evaluator:
    """Encode the validation images and the prompts that are sampled; load the networks that measure."""
    config, base, dataset = session.config, session.base, session.dataset
    photos, reference = dataset.trained, dataset.reference
    rows = photos.rows("validation")
    images = photos.images[rows]
    mean, _ = encode_once(session, images, lambda: encode_images(base.vae, images), what="as they are")
    grid = build_grid(
        mean * base.latent_scale,
        alphas_cumprod=base.alphas_cumprod,
        prediction=base.prediction,
        timesteps=config.evaluation.timesteps,
        seed=config.seed,
    )
    prompts = [prompts_for(config, photos.photos[row].phase)[0] for row in rows]
    measure = None
    if reference is not None:
        as_trained = photos.images[photos.rows("train" if reference.training is None else "validation")]
        measure = build_measure(
            base.vae, load_extractors(config.evaluation.feature_networks), reference, as_trained=as_trained
        )
    return Evaluator(
        session=session,
        grid=grid,
        validation_prompts=PromptEncoder(base, prompts, live=session.model.method.reads_text),
        encode=known_prompts(
            base, [text for phase in config.photographs.phases for text in prompts_for(config, phase)]
        ),
        measure=measure,
    )
