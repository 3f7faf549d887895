"""Save the checkpoints of a run and remove the training state of older ones."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from woundgen.adapters.post_hoc_ema import snapshot_folder
from woundgen.config.train import prompts_for
from woundgen.models.flat_parameters import weights_digest
from woundgen.storage.checkpoint import RESUMING_ONLY
from woundgen.storage.names import STATE_TENSORS, checkpoint_name
from woundgen.storage.retention import Retention, save_checkpoint
from woundgen.training.generators import draws_digest, start_generators
from woundgen.training.log import LOGS
from woundgen.training.loop import StepReport
from woundgen.training.state import counters, generators, pack
from woundgen.workflows.train.session import TrainingSession


class Checkpointer:
    """Writes checkpoints for the first rank. saved_at: on the monotonic clock, which is never set back."""

    def __init__(self, session: TrainingSession) -> None:
        self.session = session
        self.saved_at = time.monotonic()

    def clock_is_due(self) -> bool:
        """Whether `save_every_minutes` have passed: a save for resuming only, which nothing is measured for."""
        minutes = self.session.config.checkpoints.every_minutes
        return minutes is not None and time.monotonic() - self.saved_at >= 60 * minutes

    def save(self, report: StepReport, policy: dict[str, Any], *, best: bool, resuming_only: bool) -> None:
        """Write the checkpoint of a step, set the pointers, prune. policy: of BestAndStopping, as JSON.

        resuming_only: due to the clock or a signal, which an undisturbed run would not save at this step.
        """
        session, root = self.session, self.session.checkpoints
        name = checkpoint_name(round(report.epoch), report.step)
        start_generators(session.config.seed, report.step)  # a resumed run has built its networks once more
        save_checkpoint(
            root,
            name,
            state=self._state(report, policy) | {RESUMING_ONLY: resuming_only},
            tensors=pack(session.model.trainable, session.model.optimizer, session.state)
            | generators()
            | _discriminator_tensors(session),
            export=lambda folder: self._export(folder, snapshots=not resuming_only),
            best=best,
            retention=self.retention,
        )

    @property
    def retention(self) -> Retention:
        """Keep the training state of the last few checkpoints and of the best."""
        heavy = (STATE_TENSORS, *LOGS, *self.session.model.method.heavy)
        return Retention(self.session.config.checkpoints.keep_last_n, trim=heavy)

    def _state(self, report: StepReport, policy: dict[str, Any]) -> dict[str, Any]:
        session = self.session
        return counters(session.state) | {
            "epoch": report.epoch,
            "learning_rate": report.learning_rate,
            "scaler": session.model.scaler.state_dict(),
            "observer": policy,
            "identity": session.identity,
            "config": session.config.flat(),
            "draws": draws_digest(session.config.seed, report.step, noise_stream=session.state.noise_stream),
        }

    def _export(self, folder: Path, *, snapshots: bool) -> None:
        """Write raw/, ema/ and snapshots, each as diffusers opens it, and the logs up to here."""
        session = self.session
        for name in LOGS:
            if (session.folder / name).exists():
                shutil.copyfile(session.folder / name, folder / name)
        metadata = adapter_metadata(session)
        powers = session.state.powers if snapshots else {}  # averages must not depend on when the clock saved
        averages = {snapshot_folder(sigma): power for sigma, power in powers.items()}
        for weights, vector in (session.weights() | averages).items():
            target = folder / weights
            target.mkdir()
            digest = {"weights_digest": weights_digest(vector)}  # as the rows of eval.jsonl name it
            session.model.method.save(target, session.model.trainable.split(vector.cpu()), metadata | digest)


def adapter_metadata(session: TrainingSession) -> dict[str, object]:
    """Return what is stored with an adapter: base, prompts, and how to sample with it."""
    config, base = session.config, session.base
    positive, negative = prompts_for(config, config.photographs.phases[0])
    return {
        "method": session.model.method.name,
        "base": base.name,
        "base_digest": base.digest,
        "phase": ",".join(config.photographs.phases),
        "prompt": positive,
        "negative_prompt": negative,
        "steps": config.sampling.steps,
        "guidance_scale": config.sampling.guidance_scale,
        "updates": session.state.updates,
        "precision": session.precision,
        "zero_terminal_snr": config.loss.zero_terminal_snr,
        "train_resolution": config.trained_side,
        "preparation": session.dataset.trained.preparation.to_json(),
        "prompts": {phase: prompts_for(config, phase)[0] for phase in config.photographs.phases},
    }


def _discriminator_tensors(session: TrainingSession) -> dict[str, Tensor]:
    tensors = {} if session.discriminator is None else session.discriminator.tensors()
    return {f"discriminator.{key}": value for key, value in tensors.items()}
