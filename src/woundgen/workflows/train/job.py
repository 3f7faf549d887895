"""The job of `woundgen train`: photographs in, an adapter out, evaluated on the way."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from woundgen.models.base import free_unused_modules
from woundgen.runtime.determinism import deterministic_algorithms
from woundgen.runtime.signals import stop_on_signals
from woundgen.storage.checkpoint import Checkpoint
from woundgen.training.learning_rate import schedule
from woundgen.training.log import RunLog, restore_logs
from woundgen.training.loop import StepReport
from woundgen.training.plan import Plan
from woundgen.training.trackers import RunName, open_trackers
from woundgen.workflows.train.announce import announce, announce_memory, announce_warnings
from woundgen.workflows.train.latent_cache import EncodedDataset, encode_dataset
from woundgen.workflows.train.observer import Observer, build_observer
from woundgen.workflows.train.prepare import prepare
from woundgen.workflows.train.prior_images import load_class_images
from woundgen.workflows.train.probe import RunEstimate, probe
from woundgen.workflows.train.resume import restore_or_begin
from woundgen.workflows.train.rollback import Rollback
from woundgen.workflows.train.run_folder import FINISHED, STOPPED, check_run_folder, claim_run, find_finished, write_end
from woundgen.workflows.train.session import TrainingJob, TrainingSession
from woundgen.workflows.train.settings import loop_settings, session_noising
from woundgen.workflows.train.steps import take_steps


@dataclass(frozen=True, slots=True)
class TrainOutcome:
    """folder: of the run. steps: reached. exit_code: 0, or 128 + the signal that ended it."""

    folder: Path
    steps: int
    exit_code: int


def plan_run(job: TrainingJob) -> tuple[Plan, RunEstimate | None]:
    """Print and return the plan of a run and what it will take; nothing is written or trained."""
    with deterministic_algorithms(job.request.config.compute.deterministic):
        session = prepare(job)
        check_run_folder(session)
        announce(session)
        announce_memory(session)
        estimate = probe(session)
        announce_warnings(session)
        return session.plan, estimate


def train_adapter(job: TrainingJob) -> TrainOutcome:
    """Plan, train, evaluate and save a run; the same call on the same folder resumes it."""
    with deterministic_algorithms(job.request.config.compute.deterministic):
        return _train_adapter(job)


def _train_adapter(job: TrainingJob) -> TrainOutcome:
    """Run the steps of the job."""
    started = time.monotonic()
    session = prepare(job)
    if (steps := find_finished(session)) is not None:
        session.console.info(f"{session.folder} holds this run, finished; nothing is left to train")
        return TrainOutcome(folder=session.folder, steps=steps, exit_code=0)
    announce(session)
    if session.device.type == "cuda":
        announce_memory(session)
    estimate = probe(session)
    announce_warnings(session)
    with claim_run(session, estimate) as claim:
        class_images = load_class_images(session)
        untrained = restore_or_begin(session, claim.checkpoint)
        encoded = encode_dataset(session, class_images)
        with _open_log(session, claim.checkpoint) as log, stop_on_signals() as stop:
            observer = build_observer(session, claim.checkpoint, log, stop)
            _free_unused_modules(session)
            if not observer.policy.exhausted and not session.is_paused:  # a run that stopped early stays stopped
                _train(session, encoded, observer, Rollback(session, observer.policy, log, untrained))
            observer.finish()
            return _finish(session, observer, seconds=claim.seconds + time.monotonic() - started)


@contextmanager
def _open_log(session: TrainingSession, checkpoint: Checkpoint | None) -> Iterator[RunLog | None]:
    """Open the logs of the run, cut back to the checkpoint; None on ranks other than the first."""
    if not session.ranks.first:
        yield None
        return
    restore_logs(session.folder, checkpoint)
    run = RunName(session.folder.name, session.identity, session.config.flat())
    trackers = open_trackers(session.config.tracking.trackers, session.folder, run, resumed_step=session.state.step)
    log = RunLog(session.folder, resumed_step=session.state.step, trackers=trackers)
    try:
        yield log
    finally:
        log.close()


def _free_unused_modules(session: TrainingSession) -> None:
    freed = free_unused_modules(session.base, decodes=session.needs_decoder)
    session.console.detail(f"freed {freed:,} parameters (text encoder, VAE encoder): not needed after caching")


def _train(session: TrainingSession, encoded: EncodedDataset, observer: Observer, rollback: Rollback) -> None:
    config = session.config

    def after_step(report: StepReport) -> bool:
        session.report_faults()
        return observer.after_step(report)

    take_steps(
        session.model,
        encoded,
        session.state,
        settings=loop_settings(config, session.plan, session.precision, encoded.batches),
        learning_rate=schedule(
            config.optimization.scheduler,
            peak=config.optimization.learning_rate,
            steps=session.plan.steps,
            warmup=config.optimization.warmup_steps,
        ),
        noising=session_noising(session, encoded.latents),
        after_step=after_step,
        terms=session.terms,
        go_back=rollback,
        ranks=session.ranks,
    )


def _finish(session: TrainingSession, observer: Observer, *, seconds: float) -> TrainOutcome:
    """Complete run.json and say how to continue a run that a signal ended."""
    exit_code = 0 if observer.stopped_by is None else 128 + observer.stopped_by
    command = session.request.options.command
    if session.ranks.first:
        unfinished = session.is_paused and session.state.step < session.plan.steps
        status = STOPPED if exit_code or unfinished else FINISHED
        write_end(session.folder, seconds=seconds, status=status, best=observer.policy.best)
    if exit_code:
        session.console.info(
            f"stopped by signal {observer.stopped_by} after step {session.state.step}; "
            f"the same {'command' if command else 'call'} goes on from here{':' if command else '.'}"
        )
        if command:
            session.console.info(f"  {shlex.join(command)}")
    return TrainOutcome(folder=session.folder, steps=session.state.step, exit_code=exit_code)
