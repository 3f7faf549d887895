"""Histories without double or lost rows, and signals that end a run in good order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from woundgen.runtime.signals import SIGNALS, stop_on_signals
from woundgen.storage.files import append_jsonl, read_jsonl
from woundgen.storage.names import EVAL_LOG, TRAIN_LOG
from woundgen.training.log import RunLog


def row(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": step / 4, "loss": 0.1 * step, "gradient_norm": 1.0, "learning_rate": 1e-3}


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_jsonl(path)]


def test_logs_are_cut_back_to_the_resumed_step(tmp_path: Path) -> None:
    """Killed after step 5, in the middle of a row; the last checkpoint is of step 3."""
    log = RunLog(tmp_path, resumed_step=0)
    for step in range(1, 6):
        log.train(row(step))
    log.close()
    append_jsonl(tmp_path / EVAL_LOG, [{"step": n, "epoch": n / 4, "weights": "raw", "metrics": []} for n in (2, 4)])
    with (tmp_path / TRAIN_LOG).open("a") as handle:
        handle.write('{"step": 6, "epo')

    log = RunLog(tmp_path, resumed_step=3)
    assert steps(tmp_path / TRAIN_LOG) == [1, 2, 3]
    assert steps(tmp_path / EVAL_LOG) == [2]
    log.train(row(4))
    log.close()
    assert list(read_jsonl(tmp_path / TRAIN_LOG)) == [row(step) for step in range(1, 5)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted(number: signal.Signals) -> None:
    """Outside, what was there before is there again."""
    before = [signal.getsignal(one) for one in SIGNALS]
    with stop_on_signals() as request:
        assert request.received is None
        os.kill(os.getpid(), number)
        assert request.received == number
    assert [signal.getsignal(one) for one in SIGNALS] == before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background begins with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_acts_at_once(interruptible: None) -> None:
    with stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert request.received == signal.SIGINT
