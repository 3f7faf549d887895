"""The embedded base from scratch: UNet and text encoder trained together on captioned phantoms.

It uses the loop that trains adapters; only what is trained differs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from woundgen.config.optimization_groups import AveragingOptions, LossOptions
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.models.cuda_graphs import ReplayedUNet
from woundgen.models.flat_parameters import FlatParameters, flatten
from woundgen.models.images import encode_images
from woundgen.models.verified_unet import VerifiedUNet
from woundgen.runtime.console import Console, silent_console
from woundgen.runtime.ranks import ALONE, Ranks, first_rank_first
from woundgen.shipped.architecture import build_scheduler
from woundgen.shipped.fit import RATE_FLOOR
from woundgen.storage.checkpoint import Checkpoint, newest_sound, read_checkpoint
from woundgen.storage.retention import save_last_state
from woundgen.training.latents import Latents
from woundgen.training.learning_rate import schedule
from woundgen.training.loop import StepReport, train
from woundgen.training.loop_state import LoopSettings, LoopState
from woundgen.training.state import counters, new_optimizer, pack, unpack
from woundgen.workflows.rebuild.base_networks import BaseNetworks, beginning
from woundgen.workflows.rebuild.export_base import BASE_FOLDER, export_base
from woundgen.workflows.rebuild.phantom_pool import Pool
from woundgen.workflows.rebuild.stages import AUTOENCODER_FOLDER, ENCODER_FOLDER, RebuildSettings, open_pool

CHECKPOINTS = "base_training"
BEGUN_FROM = "begun_from"  # in a checkpoint's state: digest of the base that training began from


@dataclass(frozen=True, slots=True)
class BaseRebuild:
    """The job. ranks: the processes that share each step; the first of them writes and prints."""

    settings: RebuildSettings
    console: Console
    ranks: Ranks = ALONE

    def run(self) -> Path:
        """Train to settings.steps (resuming what is there) and write the diffusers folder `base` with EMA weights."""
        settings, ranks = self.settings, self.ranks
        console = self.console if ranks.first else silent_console()
        if not (settings.folder / AUTOENCODER_FOLDER).is_dir():
            raise UserError(
                f"{settings.folder / AUTOENCODER_FOLDER} does not exist.",
                "Run `woundgen rebuild decoder` with the same --work first.",
            )
        with first_rank_first(ranks):  # the first renders and encodes, the others read
            pool = console.follow(open_pool(settings))
            latents = console.follow(pool_latents(pool, settings.folder, settings.device))
        networks = console.follow(beginning(settings.start, captions=pool.captions, seed=settings.seed))
        training = console.follow(restore_or_begin(settings, networks))
        ranks.assert_same(training.state.step, "checkpoint")
        _train(settings, training, latents, pool.captions, _AfterStep(settings, training, console, ranks.first), ranks)
        if not ranks.first:
            return settings.folder / BASE_FOLDER
        assert training.state.average is not None
        networks.load(training.trainable.split(training.state.average))
        return export_base(settings.folder, networks.unet, networks.text_encoder, networks.tokenizer)


@dataclass(frozen=True, slots=True)
class BaseTraining:
    """Networks with their parameters as one vector, the optimizer of those, and how far the training is."""

    networks: BaseNetworks
    trainable: FlatParameters
    optimizer: torch.optim.Optimizer
    state: LoopState


def restore_or_begin(settings: RebuildSettings, networks: BaseNetworks) -> Work[BaseTraining]:
    """The training at its newest sound checkpoint, or before its first step. UserError where it began otherwise."""
    for module in (networks.unet, networks.text_encoder):
        torch.nn.Module.to(module, settings.device).train()
    trainable = flatten(networks.parameters())
    optimizer = new_optimizer(trainable, betas=(0.9, 0.99), weight_decay=0.01)
    newest = newest_sound(settings.folder / CHECKPOINTS)
    for fault in newest.faults:
        yield Info(fault)
    if newest.folder is None:
        state = LoopState(step=0, average=trainable.values.detach().clone())
    else:
        saved = read_checkpoint(newest.folder)
        _check_beginning(saved, networks.begun_from, settings.start)
        state = unpack(saved.tensors, saved.state, trainable=trainable, optimizer=optimizer)
        yield Info(f"going on from {newest.folder}")
    return BaseTraining(networks, trainable, optimizer, state)


def _train(
    settings: RebuildSettings,
    training: BaseTraining,
    latents: Latents,
    captions: list[str],
    after_step: _AfterStep,
    ranks: Ranks,
) -> None:
    """Train to settings.steps on the pool's latents and captions."""
    unet, text_encoder = training.networks.unet, training.networks.text_encoder
    tokens = _tokens(training.networks.tokenizer, captions).to(settings.device)
    empty = _tokens(training.networks.tokenizer, [""])[0].to(settings.device)

    def prompt_embeds(rows: Sequence[int], dropped: Sequence[bool]) -> Tensor:
        ids = torch.stack([empty if drop else tokens[row] for row, drop in zip(rows, dropped, strict=True)])
        return text_encoder(ids)[0]

    train(
        unet=VerifiedUNet(unet, ReplayedUNet(unet, training.trainable), training.trainable, faults=after_step.faults)
        if settings.device == "cuda"
        else unet,
        trainable=training.trainable,
        optimizer=training.optimizer,
        scaler=torch.amp.GradScaler(settings.device, enabled=False),
        learning_rate=schedule(
            "cosine", peak=settings.learning_rate, steps=settings.steps, warmup=300, floor=RATE_FLOOR
        ),
        latents=latents,
        prompt_embeds=prompt_embeds,
        alphas_cumprod=build_scheduler().alphas_cumprod,
        prediction="v_prediction",
        dropout=None,
        settings=_loop_settings(settings, ranks),
        state=training.state,
        after_step=after_step,
        ranks=ranks,
    )


def _loop_settings(settings: RebuildSettings, ranks: Ranks) -> LoopSettings:
    return LoopSettings(
        seed=settings.seed,
        steps=settings.steps,
        global_batch=settings.batch,
        micro_batch=math.ceil(settings.batch / ranks.size),
        max_gradient_norm=1.0,
        loss=LossOptions(prompt_dropout=0.1),
        averaging=AveragingOptions(decay=0.9995),
        precision="fp32",
    )


def _check_beginning(saved: Checkpoint, begun_from: str, start: Path | None) -> None:
    """UserError where the training that is there began from something else than it is asked to begin from."""
    if saved.state.get(BEGUN_FROM, begun_from) != begun_from:
        raise UserError(
            f"{saved.folder} began from {'another base' if saved.state[BEGUN_FROM] else 'random weights'}, "
            f"not from {start or 'random weights'}.",
            "Choose another --work, or give --start as it was given then.",
        )


def pool_latents(pool: Pool, folder: Path, device: str) -> Work[Latents]:
    """Posterior means and deviations of the whole pool, encoded once for each size of the pool and stored on disk."""
    cache = folder / f"latents_{len(pool.images)}.safetensors"
    if not cache.exists():
        source = folder / ENCODER_FOLDER
        if not source.is_dir():
            raise UserError(f"{source} does not exist.", "Run `woundgen rebuild encoder` with the same --work first.")
        vae = AutoencoderKL.from_pretrained(source, torch_dtype=torch.float32).eval()
        vae.to(device, memory_format=torch.channels_last)
        yield Info(f"encoding {len(pool.images)} phantoms")
        mean, deviation = encode_images(vae, pool.images)
        save_file({"mean": mean.contiguous(), "deviation": deviation.contiguous()}, cache)
    tensors = load_file(cache)
    return Latents(mean=tensors["mean"][:, None], deviation=tensors["deviation"][:, None], scale=1.0)


def _tokens(tokenizer: Callable, texts: list[str]) -> Tensor:
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


@dataclass(slots=True)
class _AfterStep:
    """Called after a step: the first process prints the loss every 100 steps and saves every 500."""

    settings: RebuildSettings
    training: BaseTraining
    console: Console
    first: bool
    losses: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    printed_at: float = field(default_factory=time.monotonic)

    def __call__(self, report: StepReport) -> bool:
        if not self.first:
            return False
        while self.faults:
            self.console.warn(self.faults.pop(0))
        if not report.skipped:
            self.losses.append(report.loss)
        if report.step % 100 == 0:
            self._print(report.step)
        if report.step % 500 == 0 or report.step == self.settings.steps:
            training = self.training
            save_last_state(
                self.settings.folder / CHECKPOINTS,
                report.step,
                state=counters(training.state) | {BEGUN_FROM: training.networks.begun_from},
                tensors=pack(training.trainable, training.optimizer, training.state),
            )
        return False

    def _print(self, step: int) -> None:
        steps = max(1, len(self.losses))
        pace = (time.monotonic() - self.printed_at) / steps
        self.console.info(f"step {step}/{self.settings.steps}  loss {sum(self.losses) / steps:.4f}  {pace:.3f} s/step")
        self.losses.clear()
        self.printed_at = time.monotonic()
