"""Whether the other ranks are alive, asked of a thread of its own.

A rank whose process ends is noticed at once by its closed connection. One that hangs, or whose machine is gone,
is not; and a rank that waits in a sum cannot tell it from one that saves a large checkpoint alone. So each counts
up its own beat in the group's store, and ends where another's stands still: within a minute, and with a word.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

BEAT = 2.0  # seconds between two looks
LOOKS = 15  # without a beat, until a rank counts as dead. Looks and not seconds: a process that slept has not looked


@contextmanager
def watched(rank: int, size: int) -> Iterator[None]:
    """While inside, this process beats, and ends with exit code 1 where another of the group no longer does."""
    over = threading.Event()
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=timedelta(minutes=1))
    threading.Thread(target=_look, args=(store, rank, size, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _look(store: dist.Store, rank: int, size: int, over: threading.Event) -> None:
    heard = dict.fromkeys(set(range(size)) - {rank}, 0)
    missed = dict.fromkeys(heard, 0)
    while not over.wait(BEAT):
        alarm = threading.Timer(LOOKS * BEAT, _end, ["the first process does not answer"])
        alarm.daemon = True
        alarm.start()
        try:
            store.add(_beats(rank), 1)
            counts = {other: store.add(_beats(other), 0) for other in heard}
        except RuntimeError:  # the store lives with the first rank, or with the launcher
            if not over.wait(BEAT):  # which may also be leaving in good order
                _end("the first process is gone")
            return
        finally:
            alarm.cancel()
        for other, count in counts.items():
            missed[other] = missed[other] + 1 if count == heard[other] else 0
            heard[other] = count
            if missed[other] >= LOOKS:
                _end(f"process {other} of {size} has not been heard of for {LOOKS * BEAT:.0f} seconds")


def _beats(rank: int) -> str:
    return f"woundgen/beats/{rank}"


def _end(what: str) -> None:
    """The main thread waits in a sum and cannot be woken."""
    print(f"error: {what}; this one ends too. The same command goes on.", file=sys.stderr, flush=True)
    os._exit(1)
