"""A rank that hangs, or is gone while the others are busy, ends them too; one that is slow does not."""

from __future__ import annotations

import os
import signal
import time

import pytest

from woundgen.runtime import heartbeat
from woundgen.runtime.ranks import Ranks

from ...forks import code_of, two_ranks

SOON = 60.0  # seconds; nothing here needs one, on an idle machine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds of patience instead of thirty."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.2)
    monkeypatch.setattr(heartbeat, "MISSED_BEATS", 15)


def test_one_that_hangs_ends_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    """The second is stopped; the first waits for it in a sum, where no error reaches it."""

    def work(ranks: Ranks) -> None:
        if not ranks.first:
            os.kill(os.getpid(), signal.SIGSTOP)
        ranks.barrier()

    first, second = two_ranks(work)
    try:
        started = time.monotonic()
        assert code_of(first) == 1
        assert time.monotonic() - started < SOON
        assert "process 1 of 2 has not been heard of" in capfd.readouterr().err
    finally:
        os.kill(second, signal.SIGKILL)
        os.waitpid(second, 0)


def test_the_first_is_gone_while_the_other_is_busy(capfd: pytest.CaptureFixture[str]) -> None:
    def work(ranks: Ranks) -> None:
        ranks.barrier()
        if ranks.first:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(2 * SOON)

    first, second = two_ranks(work)
    started = time.monotonic()
    assert code_of(first) == -signal.SIGKILL
    assert code_of(second) == 1
    assert time.monotonic() - started < SOON
    assert "the first process is gone" in capfd.readouterr().err


@pytest.mark.slow
def test_one_that_takes_its_time_is_waited_for() -> None:
    """Longer than the patience with a silent one, while the first waits to leave."""

    def work(ranks: Ranks) -> None:
        if not ranks.first:
            time.sleep(4.5)

    assert [code_of(child) for child in two_ranks(work)] == [0, 0]
