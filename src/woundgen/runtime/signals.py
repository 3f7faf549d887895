"""End a run in good order on SIGTERM, SIGINT and SIGHUP: finish the step, write a checkpoint, and exit with 143, 130 or
129, so that `train && generate` stops there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Which signal asked the run to end, if any."""

    def __init__(self) -> None:
        self.received: int | None = None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Record signals instead of acting on them while inside; a second signal of a kind acts as usual."""
    request = StopRequest()

    def note(number: int, frame: object) -> None:
        request.received = number
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
