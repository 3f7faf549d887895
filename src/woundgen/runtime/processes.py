"""Several processes of one command on this machine: started, watched, and ended together."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from woundgen.errors import UserError
from woundgen.runtime.hardware import Card, installed_cards
from woundgen.runtime.signals import StopRequest, stop_on_signals

START = "; ".join(
    (
        "from woundgen.runtime.processes import end_with_parent",
        "end_with_parent()",
        "from woundgen.cli import main",
        "main()",
    )
)
POLL = 0.1  # seconds
GRACE = 20.0  # seconds for the others to end by themselves once one has died


@dataclass(frozen=True, slots=True)
class Place:
    """This process as a launcher (ours, torchrun, accelerate) has placed it: rank of size, `local` on its machine."""

    rank: int
    local: int
    size: int


def place_of(environment: Mapping[str, str]) -> Place | None:
    """None for a process that no launcher has placed. UserError where a launcher has started too few or not said."""
    if "WORLD_SIZE" not in environment:
        if "ACCELERATE_USE_CPU" in environment and "MASTER_PORT" in environment:
            raise UserError(  # seen with --cpu --num_processes 2: no word of it, and half the work left undone
                "accelerate launch was asked for several processes and has started one.",
                "Without GPUs: woundgen train --devices N, or torchrun --nproc_per_node N.",
            )
        return None
    try:
        size, rank = int(environment["WORLD_SIZE"]), int(environment["RANK"])
        return Place(rank, int(environment.get("LOCAL_RANK", rank)), size)
    except (KeyError, ValueError):
        raise UserError(
            "WORLD_SIZE is set, but RANK or LOCAL_RANK is not a number.", "Unset it, or start with torchrun."
        ) from None


def end_with_parent() -> None:
    """On Linux: a process whose launcher is killed is killed too, and holds no lock after it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def run_together(words: Sequence[str], *, count: int) -> int:
    """Run `woundgen WORDS` in `count` processes and return the exit code of all.

    Signals are passed on. Where one process dies, the others are ended within GRACE, and what it said is shown.
    """
    port = _free_port()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        # The first speaks for all; what the others say is shown only if it explains the end.
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes = [_start(words, rank, count, port, said[rank] if rank else None) for rank in range(count)]
        died = _watch(processes, stop)
        codes = [process.returncode for process in processes]
        if not died:
            return 0
        # Who dies of another's death does so with a traceback, exit code 1.
        cause = min(died, key=lambda rank: codes[rank] == 1)
        if len(died) < count or len(set(codes)) > 1:  # else all have ended alike, and the first has said why
            _tell(cause, codes, said[cause])
    return codes[cause] if codes[cause] >= 0 else 128 - codes[cause]


def _watch(processes: Sequence[subprocess.Popen[bytes]], stop: StopRequest) -> list[int]:
    """Wait for all to end. Returns the ranks that did not end well by themselves, in the order in which they died."""
    died: list[int] = []
    passed_on = False
    deadline = math.inf
    while any(process.poll() is None for process in processes):
        if stop.received is not None and not passed_on:
            passed_on = True
            for process in processes:
                process.send_signal(stop.received)
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
            break
        time.sleep(POLL)
        died += _newly_dead(processes, died)
        if died and deadline == math.inf:
            deadline = time.monotonic() + GRACE
    else:
        died += _newly_dead(processes, died)  # the last may have ended between two looks
    for process in processes:
        process.wait()
    return died


def _newly_dead(processes: Sequence[subprocess.Popen[bytes]], died: Sequence[int]) -> list[int]:
    return [rank for rank, process in enumerate(processes) if process.poll() and rank not in died]


def _tell(cause: int, codes: Sequence[int], said: IO[bytes]) -> None:
    """The end that one process has brought on all, in its own words."""
    said.seek(0)
    sys.stderr.write(said.read().decode(errors="replace"))
    if codes[cause] not in (2, 3):  # a user's mistake, a shortfall: said already
        code = codes[cause]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        print(
            f"error: process {cause} of {len(codes)} {how}, and the others were ended. The same command goes on.",
            file=sys.stderr,
        )


def _start(words: Sequence[str], rank: int, count: int, port: int, said: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """A session of its own, so that Ctrl-C reaches it once: through us."""
    placed = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = nccl_settings(installed_cards()) | os.environ | {name: str(value) for name, value in placed.items()}
    return subprocess.Popen([sys.executable, "-c", START, *words], env=environment, stderr=said, start_new_session=True)


def nccl_settings(cards: Sequence[Card]) -> dict[str, str]:
    """What processes on several RTX 40 cards need: they have no peer-to-peer, and older drivers hang where it is tried.

    The two variables that accelerate asks for of such cards (accelerate.utils.environment).
    """
    if len(cards) < 2 or not any("RTX 40" in card.name for card in cards):
        return {}
    return {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
