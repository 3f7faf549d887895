"""Heartbeat thread: end this process if another rank stops responding.

A rank whose process ends is noticed at once by its closed connection. One that hangs, or whose machine is gone, is not:
a rank that waits in an all-reduce cannot distinguish it from one that saves a large checkpoint alone. So each rank
increments a counter in the group's store, and ends within half a minute when the counter of another stands still.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

INTERVAL = 2.0  # seconds between two checks
MISSED_BEATS = 15  # until a rank counts as dead: in checks, so that a suspended laptop does not count as a dead rank


@contextmanager
def heartbeat_monitor(rank: int, size: int) -> Iterator[None]:
    """Send heartbeats while inside, and end with exit code 1 where another of the group sends none any more."""
    is_over = threading.Event()
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=timedelta(minutes=1))
    threading.Thread(target=_monitor, args=(store, rank, size, is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _monitor(store: dist.Store, rank: int, size: int, is_over: threading.Event) -> None:
    last_counts = dict.fromkeys(set(range(size)) - {rank}, 0)
    missed = dict.fromkeys(last_counts, 0)
    while not is_over.wait(INTERVAL):
        alarm = threading.Timer(MISSED_BEATS * INTERVAL, _end_process, ["the first process does not answer"])
        alarm.daemon = True
        alarm.start()
        try:
            store.add(_counter(rank), 1)
            counts = {other: store.add(_counter(other), 0) for other in last_counts}
        except RuntimeError:  # the store lives with the first rank, or with the launcher
            if not is_over.wait(INTERVAL):  # which may also be leaving in good order
                _end_process("the first process is gone")
            return
        finally:
            alarm.cancel()
        for other, count in counts.items():
            missed[other] = missed[other] + 1 if count == last_counts[other] else 0
            last_counts[other] = count
            if missed[other] >= MISSED_BEATS:
                _end_process(
                    f"process {other} of {size} has not been heard of for {MISSED_BEATS * INTERVAL:.0f} seconds"
                )


def _counter(rank: int) -> str:
    """Return the key of a rank's counter in the store."""
    return f"woundgen/beats/{rank}"


def _end_process(reason: str) -> None:
    """Print why and exit at once: the main thread waits in an all-reduce and cannot be woken."""
    print(f"error: {reason}; this one ends too. The same command goes on.", file=sys.stderr, flush=True)
    os._exit(1)
