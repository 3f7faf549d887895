"""Back to the last good checkpoint, where a run's numbers have ceased to be finite."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from woundgen.storage.checkpoint import newest_sound, read_checkpoint
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import CHECKPOINTS, RUN_JSON
from woundgen.training.discriminator import Discriminator
from woundgen.training.loop_state import LoopState
from woundgen.training.optimizer_state import under
from woundgen.training.state import unpack
from woundgen.workflows.train.observer import Observer


def going_back(observer: Observer, *, start: Tensor, discriminator: Discriminator | None) -> Callable[[], bool]:
    """For the loop. start: the untrained values, for a run that has saved nothing yet."""
    untrained = {} if discriminator is None else discriminator.tensors()

    def go_back() -> bool:
        failed = observer.state.step
        newest = newest_sound(observer.folder / CHECKPOINTS, warn=observer.say)
        if newest is None:
            _begin_again(observer, start)
            judged = untrained
        else:
            saved = read_checkpoint(newest)
            found = unpack(
                saved.tensors,
                saved.state,
                trainable=observer.trainable,
                optimizer=observer.optimizer,
                scaler=observer.scaler,
            )
            _become(observer.state, found)
            observer.recall(saved.state["observer"])
            judged = under("discriminator", saved.tensors)
        if discriminator is not None:
            discriminator.restore(judged)
        if observer.log is not None:
            observer.log.cut(observer.state.step)
            _note(observer, failed)
        observer.say(f"not finite up to step {failed}: back to step {observer.state.step}, at half the learning rate")
        return True

    return go_back


def _begin_again(observer: Observer, start: Tensor) -> None:
    observer.trainable.load(start.to(observer.trainable.values.device))
    observer.optimizer.state.clear()
    fresh = observer.trainable.values.detach()
    state = observer.state
    average = None if state.average is None else fresh.clone()
    _become(state, LoopState(step=0, average=average, powers={sigma: fresh.clone() for sigma in state.powers}))
    observer.recall({})


def _become(state: LoopState, other: LoopState) -> None:
    """In place: the loop and the observer hold the same object."""
    for name in LoopState.__dataclass_fields__:
        setattr(state, name, getattr(other, name))


def _note(observer: Observer, failed: int) -> None:
    path = observer.folder / RUN_JSON
    record = read_json(path)
    entry = {"not_finite_up_to": failed, "back_to": observer.state.step}
    write_json(path, record | {"rollbacks": [*record.get("rollbacks", []), entry]})
