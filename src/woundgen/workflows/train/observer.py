"""What happens beside the training steps: logs, evaluations, sample grids, checkpoints, stopping."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from woundgen.adapters.methods import Method
from woundgen.adapters.post_hoc_ema import snapshot_folder
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.data.photo_set import PhotoSet
from woundgen.generation.in_memory import draw_images
from woundgen.generation.resize import reduced
from woundgen.metrics.measure import RealSets, load_extractors
from woundgen.models.base import BaseModel
from woundgen.models.flat_parameters import FlatParameters, using, weights_digest
from woundgen.models.images import encode_images
from woundgen.models.prompts import PromptTable, known_prompts
from woundgen.records import METRICS, MetricValue
from woundgen.reporting.pictures import tile
from woundgen.runtime.ranks import Ranks
from woundgen.runtime.signals import StopRequest
from woundgen.storage.checkpoint import RESUMING_ONLY, Checkpoint, pointer, prune, set_pointer, write_checkpoint
from woundgen.storage.names import BEST, CHECKPOINTS, LATEST, SAMPLES, STATE_TENSORS, checkpoint_name
from woundgen.training.discriminator import Discriminator
from woundgen.training.generators import draws_digest, start_generators
from woundgen.training.log import LOGS, RunLog, train_row
from woundgen.training.loop import StepReport
from woundgen.training.loop_state import LoopState
from woundgen.training.plan import Plan
from woundgen.training.state import counters, generators, pack
from woundgen.training.validation import EarlyStopping, ValidationGrid, build_grid, loss_value, per_image_loss
from woundgen.workflows.train.image_metrics import measured_by_ranks, monitored, training_measure

Say = Callable[[str], None]
Progress = Callable[[int, int, str], None]
Measure = Callable[[NDArray[np.uint8]], list[MetricValue]]
SAMPLE_SEED_OFFSET = 77_000  # apart from the training seed, so that a grid does not show memorised noise
VALIDATION_BATCH = 16


@dataclass(slots=True)
class Observer:
    """Called after every step; holds what must survive a resume in `to_json`."""

    config: TrainConfig
    plan: Plan
    base: BaseModel
    method: Method
    trainable: FlatParameters
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    state: LoopState
    log: RunLog | None  # the first rank's
    folder: Path
    identity: str
    stop: StopRequest
    say: Say
    progress: Progress
    grid: ValidationGrid
    validation_prompts: PromptTable
    prompt_states: Callable[[list[str]], Tensor]  # of the prompts that are drawn
    measure: Measure | None  # of drawn images; None where nothing is measured
    monitor: str  # the metric that chooses the best checkpoint
    stopping: EarlyStopping
    ranks: Ranks
    discriminator: Discriminator | None
    saved_at: float  # on the monotonic clock, which no one sets back
    stopped_by: int | None = None  # signal
    best: dict[str, Any] | None = None
    last_losses: list[float] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        *,
        config: TrainConfig,
        plan: Plan,
        photos: PhotoSet,
        reference: RealSets | None,
        base: BaseModel,
        method: Method,
        trainable: FlatParameters,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        state: LoopState,
        log: RunLog | None,
        folder: Path,
        identity: str,
        stop: StopRequest,
        say: Say,
        progress: Progress,
        resumed: Checkpoint | None,
        ranks: Ranks,
        discriminator: Discriminator | None,
    ) -> Observer:
        rows = photos.rows("validation")
        mean, _ = encode_images(base.vae, photos.images[rows])
        # Under changed settings (--allow-changes) an earlier best is no measure of what comes.
        same = resumed is not None and resumed.state.get("identity", identity) == identity
        saved = resumed.state["observer"] if resumed is not None and same else {}
        return cls(
            config=config,
            plan=plan,
            base=base,
            method=method,
            trainable=trainable,
            optimizer=optimizer,
            scaler=scaler,
            state=state,
            log=log,
            folder=folder,
            identity=identity,
            stop=stop,
            say=say,
            progress=progress,
            grid=build_grid(
                mean * base.latent_scale,
                alphas_cumprod=base.alphas_cumprod,
                prediction=base.prediction,
                timesteps=config.validation_timesteps,
                seed=config.seed,
            ),
            validation_prompts=PromptTable(
                base, [prompts_for(config, photos.photos[row].phase)[0] for row in rows], live=method.reads_text
            ),
            prompt_states=known_prompts(base, [text for one in config.phases for text in prompts_for(config, one)]),
            measure=None
            if reference is None
            else training_measure(
                base.vae,
                load_extractors(config.features),
                reference,
                as_trained=photos.images[photos.rows("train" if reference.training is None else "validation")],
            ),
            monitor=monitored(config, reference),
            stopping=EarlyStopping(
                patience=config.early_stopping_patience,
                best=saved.get("stopping_best"),
                waited=saved.get("stopping_waited", 0),
            ),
            best=saved.get("best"),
            ranks=ranks,
            discriminator=discriminator,
            saved_at=time.monotonic(),
        )

    def after_step(self, report: StepReport) -> bool:
        """Log; evaluate and save when due. True ends the run."""
        if self.log is not None:
            self.log.train(train_row(report))
        if report.skipped:
            self.say(f"step {report.step} was skipped: loss {report.loss:g}, gradient {report.gradient_norm:g}")
        self.progress(report.step, self.plan.steps, f"loss {report.loss:.4f}")
        last = report.step == self.plan.steps
        better = exhausted = False
        if last or report.step % self.plan.evaluate_every == 0:
            better = self._evaluate(report)
            exhausted = self.stopping.exhausted and not last
        clock = self.ranks.first and self._clock_is_due()
        # Decided once: the first rank measured, and a signal may have reached any of them.
        known = [better, exhausted, clock, self.stop.received or 0]
        *flags, signal = self.ranks.greatest(known, self.trainable.values.device)
        better, exhausted, clock = map(bool, flags)
        self.stopped_by = signal or None
        # What a bad stretch is left by, the rollback has to go back before.
        clock = clock and not report.skipped
        periodic = report.step % self.plan.save_every == 0 and not self.config.save_best_only and not report.skipped
        if last or better or exhausted or signal or periodic or clock:
            due = last or better or exhausted or periodic
            if self.ranks.first:
                self._save(report, best=better, resuming_only=not due)
            self.saved_at = time.monotonic()
        if exhausted:
            self.say(
                f"no better {self.config.early_stopping_metric} in {self.stopping.patience} evaluations: stopping early"
            )
        return exhausted or signal > 0

    def _clock_is_due(self) -> bool:
        """A save for resuming only: nothing is measured for it, so it is no candidate for best."""
        minutes = self.config.save_every_minutes
        return minutes is not None and time.monotonic() - self.saved_at >= 60 * minutes

    def finish(self) -> None:
        if self.ranks.first:
            self._prune(self.folder / CHECKPOINTS)  # a kill after the last save's pointers has left it to us
        if self.best is not None:
            self.say(f"best {self.best['metric']} {self.best['value']:.4f} at step {self.best['step']}")

    def best_record(self) -> dict[str, Any] | None:
        return self.best

    def _evaluate(self, report: StepReport) -> bool:
        """Measure raw and EMA weights; True where the monitored one is the best so far."""
        candidate = "raw"
        values: dict[str, list[MetricValue]] = {}
        digests: dict[str, str] = {}
        drawn: dict[str, NDArray[np.uint8]] = {}
        for weights, vector in self._weights().items():
            candidate = weights  # EMA comes last, where there is one
            with using(self.trainable, vector, self.base):
                self.last_losses = self._losses()
                drawn |= self._drawn(report, weights)
            values[weights] = [loss_value(torch.tensor(self.last_losses))]
            digests[weights] = weights_digest(vector)
        for weights, rows in measured_by_ranks(drawn, measure=self.measure, ranks=self.ranks).items():
            values[weights] += rows
        if not self.ranks.first:
            return False  # the first decides for all
        assert self.log is not None, "the first rank's"
        for weights in values:
            self.log.evaluation(
                {
                    "step": report.step,
                    "epoch": round(report.epoch, 4),
                    "weights": weights,
                    "digest": digests[weights],
                    "metrics": [value.to_json() for value in values[weights]],
                }
            )
        chosen = [v for v in values[candidate] if v.metric == self.monitor and not v.label]
        self._wait_for_better(values[candidate])
        told = ", ".join(f"{v.metric} {v.value:.4f}" for v in values[candidate] if not v.label)
        self.say(f"step {report.step}: {told} ({candidate})")
        better = bool(chosen) and self._beats(chosen[0].value)  # not every evaluation draws and measures
        if better:
            self.best = {
                "metric": self.monitor,
                "value": chosen[0].value,
                "step": report.step,
                "weights": candidate,
                "digest": digests[candidate],
                "checkpoint": self._name(report),
            }
        return better

    def _wait_for_better(self, values: list[MetricValue]) -> None:
        """Patience counts improvements of the validation loss beyond its noise, and of another metric as they are."""
        metric = self.config.early_stopping_metric
        if metric == "val_loss":
            self.stopping.update(self.last_losses)
            return
        sign = 1 if METRICS[metric].better == "lower" else -1
        measured = [sign * value.value for value in values if value.metric == metric and not value.label]
        if measured:  # not every evaluation draws and measures
            self.stopping.update(measured[:1])

    def _beats(self, value: float) -> bool:
        if self.best is None:
            return True
        lower_is_better = METRICS[self.monitor].better == "lower"
        return value < self.best["value"] if lower_is_better else value > self.best["value"]

    def _losses(self) -> list[float]:
        contexts = self.validation_prompts
        return per_image_loss(
            self.base.unet,
            self.grid,
            lambda rows: contexts(rows.tolist(), [False] * len(rows)),
            batch=VALIDATION_BATCH,
            ranks=self.ranks,
        ).tolist()

    def _drawn(self, report: StepReport, weights: str) -> dict[str, NDArray[np.uint8]]:
        """Images of the weights of the moment, by the name of the weights; {} where none are due."""
        drawing = self.plan.evaluation
        if not drawing.due(report.step, last=report.step == self.plan.steps):
            return {}
        images = self._draw(max(drawing.grid, drawing.images), steps=drawing.sampler_steps)
        if self.ranks.first:
            self._write_grid(images[: drawing.grid], report, weights)
        return {weights: images[: drawing.images]}

    def _draw(self, count: int, *, steps: int) -> NDArray[np.uint8]:
        """The same seeds at every evaluation."""
        texts = [prompts_for(self.config, phase) for phase in self.config.phases]
        drawn = draw_images(
            self.base,
            count=count,
            prompt=[positive for positive, _ in texts],  # in turn
            negative_prompt=texts[0][1],
            encode=self.prompt_states,
            guidance_scale=self.config.guidance_scale,
            steps=steps,
            seed=self.config.seed + SAMPLE_SEED_OFFSET,
            size=self.config.trained_side,
            ranks=self.ranks,
        )
        return reduced(drawn, self.config.resolution)

    def _write_grid(self, images: NDArray[np.uint8], report: StepReport, weights: str) -> None:
        if len(images):
            columns = math.ceil(math.sqrt(len(images)))
            folder = self.folder / SAMPLES
            folder.mkdir(exist_ok=True)
            Image.fromarray(tile(images, columns)).save(folder / f"step_{report.step:06d}_{weights}.png")

    def _weights(self) -> dict[str, Tensor]:
        vectors = {"raw": self.trainable.values.detach().clone()}
        if self.state.average is not None:
            vectors["ema"] = self.state.average
        return vectors

    def _discriminator(self) -> dict[str, Tensor]:
        tensors = {} if self.discriminator is None else self.discriminator.tensors()
        return {f"discriminator.{key}": value for key, value in tensors.items()}

    def _name(self, report: StepReport) -> str:
        return checkpoint_name(round(report.epoch), report.step)

    def _save(self, report: StepReport, *, best: bool, resuming_only: bool) -> None:
        """resuming_only: due to the clock or a signal, which no other run has at this step."""
        root, name = self.folder / CHECKPOINTS, self._name(report)
        start_generators(self.config.seed, report.step)  # a resumed run has built its networks once more
        write_checkpoint(
            root,
            name,
            state=counters(self.state)
            | {
                "epoch": report.epoch,
                "learning_rate": report.learning_rate,
                "scaler": self.scaler.state_dict(),
                "observer": self._to_json(),
                "identity": self.identity,
                "config": self.config.model_dump(mode="json"),
                "draws": draws_digest(self.config.seed, report.step),
                RESUMING_ONLY: resuming_only,
            },
            tensors=pack(self.trainable, self.optimizer, self.state) | generators() | self._discriminator(),
            export=lambda folder: self._export(folder, snapshots=not resuming_only),
        )
        if best:  # before `latest`: what a run goes on from knows no better one than the pointer names
            set_pointer(root, BEST, name)
        set_pointer(root, LATEST, name)
        self._prune(root, written=name)

    def _prune(self, root: Path, *, written: str = "") -> None:
        protected = [kept for kept in (pointer(root, BEST),) if kept]
        trim = [STATE_TENSORS, *LOGS, *self.method.heavy]
        keep = self.config.keep_last_n_checkpoints
        prune(root, keep_last=keep, protect=protected, trim=trim, written=written)

    def _export(self, folder: Path, *, snapshots: bool) -> None:
        """raw/, ema/ and snapshots, each in a file that diffusers opens; and the histories up to here."""
        for name in LOGS:
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, folder / name)
        positive, negative = prompts_for(self.config, self.config.phases[0])
        notes = {
            "method": self.method.name,
            "base": self.base.name,
            "base_digest": self.base.digest,
            "phase": ",".join(self.config.phases),
            "prompt": positive,
            "negative_prompt": negative,
            "steps": self.config.inference_steps_production,
            "guidance_scale": self.config.guidance_scale,
            "updates": self.state.updates,
            "zero_terminal_snr": self.config.zero_terminal_snr,
            "train_resolution": self.config.trained_side,
            "prompts": {phase: prompts_for(self.config, phase)[0] for phase in self.config.phases},
        }
        powers = self.state.powers if snapshots else {}  # averages must not hang on when the clock saved
        averages = {snapshot_folder(sigma): power for sigma, power in powers.items()}
        for weights, vector in (self._weights() | averages).items():
            target = folder / weights
            target.mkdir()
            bound = notes | {"weights_digest": weights_digest(vector)}  # as the rows of eval.jsonl name it
            self.method.save(target, self.trainable.split(vector.cpu()), bound)

    def recall(self, saved: dict[str, Any]) -> None:
        """What `_to_json` wrote into a checkpoint."""
        self.best = saved.get("best")
        self.stopping.best = saved.get("stopping_best")
        self.stopping.waited = saved.get("stopping_waited", 0)

    def _to_json(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "stopping_best": self.stopping.best,
            "stopping_waited": self.stopping.waited,
        }
