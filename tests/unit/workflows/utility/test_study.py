"""Trainings run side by side, one a processor; progress counts them; one that fails ends the rest."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from woundgen.downstream.run import Fit
from woundgen.errors import UserError
from woundgen.events import Progress, complete
from woundgen.workflows.utility.study import _Ticker, train_all

PROCESSORS = 3
NONE = np.empty(0, np.intp)


def planned(number: int) -> list[Fit]:
    return [Fit(0, seed, "real", NONE, NONE, NONE) for seed in range(number)]


@pytest.fixture(autouse=True)
def _processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: PROCESSORS)


def test_all_processors_are_used_and_progress_is_shown() -> None:
    """Each waits until as many as there are processors have begun: with fewer at once the barrier would break."""
    together, shown = threading.Barrier(PROCESSORS), []

    def train(fit: Fit) -> np.ndarray:
        together.wait(timeout=20)
        return np.array([[float(fit.seed)]])

    done = complete(train_all(planned(6), train, _Ticker(6)), shown)
    assert [(fit.seed, float(found[0, 0])) for fit, found in done] == [(seed, seed) for seed in range(6)]
    assert shown == [Progress(number, 6, "classifiers trained") for number in range(1, 7)]


def test_what_waits_is_not_trained_once_one_has_failed() -> None:
    begun: list[int] = []

    def train(fit: Fit) -> np.ndarray:
        begun.append(fit.seed)
        time.sleep(0.02)  # so that the one that waits for results gets its turn on a busy machine
        raise UserError("the command failed")

    with pytest.raises(UserError, match="the command failed"):
        complete(train_all(planned(200), train, _Ticker(200)))
    assert len(begun) < 200
