"""Log, evaluate, save and stop after each training step."""

from __future__ import annotations

import time
from dataclasses import dataclass

from woundgen.runtime.signals import StopRequest
from woundgen.storage.checkpoint import Checkpoint
from woundgen.storage.names import checkpoint_name
from woundgen.storage.retention import apply_retention
from woundgen.training.log import RunLog, train_row
from woundgen.training.loop import StepReport
from woundgen.training.validation import EarlyStopping
from woundgen.workflows.train.checkpoints import Checkpointer
from woundgen.workflows.train.evaluator import Evaluator, build_evaluator
from woundgen.workflows.train.image_metrics import choose_monitor
from woundgen.workflows.train.session import TrainingSession
from woundgen.workflows.train.stopping import BestAndStopping


@dataclass(slots=True)
class Observer:
    """Per-step callback of the loop. log: the first rank's, None on the others. stopped_by: the signal, if one came."""

    session: TrainingSession
    evaluator: Evaluator
    policy: BestAndStopping
    checkpointer: Checkpointer
    log: RunLog | None
    stop: StopRequest
    stopped_by: int | None = None

    def after_step(self, report: StepReport) -> bool:
        """Log the step; evaluate and save where due. Return True to end the run."""
        session = self.session
        self._log_step(report)
        last = report.step == session.plan.steps
        better = exhausted = False
        if last or report.step % session.plan.evaluate_every == 0:
            better = self.evaluate(report)
            exhausted = self.policy.exhausted and not last
        clock = session.ranks.first and self.checkpointer.clock_is_due()
        # Decided once: the first rank measured, and a signal may have reached any of them.
        known = [better, exhausted, clock, self.stop.received or 0]
        *flags, signal = session.ranks.all_reduce_max(known, session.model.trainable.values.device)
        better, exhausted, clock = map(bool, flags)
        self.stopped_by = signal or None
        # Do not save by the clock or by count on a skipped step: a rollback must land before the bad steps.
        clock = clock and not report.skipped
        is_periodic = report.step % session.plan.save_every == 0 and not session.config.checkpoints.best_only
        due = last or better or exhausted or (is_periodic and not report.skipped)
        paused = session.is_paused
        if due or signal or clock or paused:
            if session.ranks.first:
                self.checkpointer.save(report, self.policy.to_json(), best=better, resuming_only=not due)
            self.checkpointer.saved_at = time.monotonic()
        if exhausted:
            session.console.info(
                f"no better {session.config.stopping.metric} in {self.policy.stopping.patience} evaluations: "
                "stopping early"
            )
        return exhausted or signal > 0 or paused

    def evaluate(self, report: StepReport) -> bool:
        """Evaluate raw and EMA weights and log them; return True where the candidate is the best so far.

        Only the first rank, which knows, decides; the others return False.
        """
        evaluations = self.evaluator.run(report.step)
        if self.log is None:
            return False
        for evaluation in evaluations:
            self.log.evaluation(
                {
                    "step": report.step,
                    "epoch": round(report.epoch, 4),
                    "weights": evaluation.weights,
                    "digest": evaluation.digest,
                    "metrics": [value.to_json() for value in evaluation.values],
                }
            )
            if (picture := self.evaluator.read_grid(report.step, evaluation.weights)) is not None:
                self.log.grid(picture, step=report.step, weights=evaluation.weights)
        candidate = evaluations[-1]  # EMA, where there is one
        values = ", ".join(f"{v.metric} {v.value:.4f}" for v in candidate.values if not v.label)
        self.session.console.info(f"step {report.step}: {values} ({candidate.weights})")
        return self.policy.update(candidate, checkpoint=checkpoint_name(round(report.epoch), report.step))

    def finish(self) -> None:
        """Complete an interrupted pruning and print the best checkpoint."""
        if self.session.ranks.first:
            apply_retention(
                self.session.checkpoints, self.checkpointer.retention
            )  # a kill between the last save's pointers and its pruning leaves it to us
        if (best := self.policy.best) is not None:
            self.session.console.info(f"best {best['metric']} {best['value']:.4f} at step {best['step']}")

    def _log_step(self, report: StepReport) -> None:
        console = self.session.console
        if self.log is not None:
            self.log.train(train_row(report))
        if report.skipped:
            console.info(f"step {report.step} was skipped: loss {report.loss:g}, gradient {report.gradient_norm:g}")
        console.progress(report.step, self.session.plan.steps, f"loss {report.loss:.4f}")


def build_observer(
    session: TrainingSession, checkpoint: Checkpoint | None, log: RunLog | None, stop: StopRequest
) -> Observer:
    """Make the observer, with the best and the patience that the checkpoint recorded."""
    policy = BestAndStopping(
        monitor=choose_monitor(session.config, session.dataset.reference),
        waits_for=session.config.stopping.metric,
        stopping=EarlyStopping(patience=session.config.stopping.patience),
    )
    # Under changed settings (--allow-changes) an earlier best is not comparable with what follows.
    if checkpoint is not None and checkpoint.state.get("identity", session.identity) == session.identity:
        policy.restore(checkpoint.state["observer"])
    return Observer(session, build_evaluator(session), policy, Checkpointer(session), log, stop)
