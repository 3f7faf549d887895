"""Roll a run back to its last good checkpoint when its numbers are no longer finite."""

from __future__ import annotations

from dataclasses import dataclass

from woundgen.storage.checkpoint import newest_sound, read_checkpoint
from woundgen.training.log import RunLog
from woundgen.training.loop_state import LoopState
from woundgen.training.optimizer_state import strip_prefix
from woundgen.training.state import copy_state_into, unpack
from woundgen.workflows.train.resume import Untrained
from woundgen.workflows.train.run_folder import record_rollback
from woundgen.workflows.train.session import TrainingSession
from woundgen.workflows.train.stopping import BestAndStopping


@dataclass(frozen=True, slots=True)
class Rollback:
    """The loop's `go_back`: restores session and policy, cuts the log. log: None on ranks other than the first."""

    session: TrainingSession
    policy: BestAndStopping
    log: RunLog | None
    untrained: Untrained

    def __call__(self) -> bool:
        """Restore the newest sound checkpoint, or the state before the first step; True: the loop can continue."""
        session = self.session
        failed_step = session.state.step
        newest = newest_sound(session.checkpoints)
        for fault in newest.faults:
            session.console.info(fault)
        if newest.folder is None:
            self._restart()
            discriminator = self.untrained.discriminator
        else:
            saved = read_checkpoint(newest.folder)
            restored = unpack(
                saved.tensors,
                saved.state,
                trainable=session.model.trainable,
                optimizer=session.model.optimizer,
                scaler=session.model.scaler,
            )
            copy_state_into(session.state, restored)
            self.policy.restore(saved.state["observer"])
            discriminator = strip_prefix("discriminator", saved.tensors)
        if session.discriminator is not None:
            session.discriminator.restore(discriminator)
        if self.log is not None:
            self.log.cut(session.state.step)
            record_rollback(session.folder, failed_step=failed_step, restored_step=session.state.step)
        session.console.info(
            f"not finite up to step {failed_step}: back to step {session.state.step}, at half the learning rate"
        )
        return True

    def _restart(self) -> None:
        """Return to the values before the first step, with empty optimizer moments."""
        session = self.session
        session.model.trainable.load(self.untrained.values.to(session.model.trainable.values.device))
        session.model.optimizer.state.clear()
        fresh = session.model.trainable.values.detach()
        average = None if session.state.average is None else fresh.clone()
        powers = {sigma: fresh.clone() for sigma in session.state.powers}
        start = LoopState(step=0, average=average, powers=powers, noise_stream=session.state.noise_stream)
        copy_state_into(session.state, start)
        self.policy.restore({})
