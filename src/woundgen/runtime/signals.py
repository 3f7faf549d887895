"""SIGTERM, SIGINT and SIGHUP end a run in good order: the step is finished, a checkpoint written, and the exit
code says what happened (143, 130, 129), so that `train && generate` does not go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Which signal asked the run to end, if any."""

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def exit_code(self) -> int:
        assert self.received is not None
        return 128 + self.received


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, the signals are noted instead of acted on; a second one of a kind acts as usual."""
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
