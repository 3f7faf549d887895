"""Start several processes of one command on this machine, supervise them, and end them together."""

from __future__ import annotations

import math
import os
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
from woundgen.runtime.supervisor import Supervisor, exit_code, start_command

GRACE = 20.0  # seconds for the others to end by themselves once one has died


@dataclass(frozen=True, slots=True)
class Place:
    """The rank that a launcher (ours, torchrun, accelerate) gave this process; `local` is its rank on this machine."""

    rank: int
    local: int
    size: int


def read_launcher(environment: Mapping[str, str]) -> Place | None:
    """Read RANK, LOCAL_RANK, WORLD_SIZE; None without a launcher. UserError where they are incomplete."""
    if "WORLD_SIZE" not in environment:
        if "ACCELERATE_USE_CPU" in environment and "MASTER_PORT" in environment:
            raise UserError(  # observed with --cpu --num_processes 2: half of the work would be missing
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


def run_together(words: Sequence[str], *, count: int) -> int:
    """Run `woundgen WORDS` in `count` processes and return the exit code of all.

    Signals are passed on. Where one process dies, the others are ended within GRACE, and its output is shown.
    """
    port = _free_port()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        # Rank 0 prints for all; the output of the others is shown only if it explains the end.
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        processes = [_start(words, rank, count, port, outputs[rank] if rank else None) for rank in range(count)]
        died = _watch(processes, stop)
        if not died:
            return 0
        codes = [process.returncode for process in processes]
        # Ranks that fail because another rank failed exit with code 1; report the other one as the cause.
        cause = min(died, key=lambda rank: codes[rank] == 1)
        if len(died) < count or len(set(codes)) > 1:  # else all have ended alike, and rank 0 has printed why
            _report(cause, codes, outputs[cause])
        elif codes[cause] == 1:  # each by a traceback, and any of them may be the cause
            for rank in range(1, count):
                _report(rank, codes, outputs[rank])
    return exit_code(processes[cause])


def _watch(processes: Sequence[subprocess.Popen[bytes]], stop: StopRequest) -> list[int]:
    """Wait for all to end; return the ranks that failed by themselves, in the order in which they died."""
    supervisor = Supervisor(stop)
    for rank, process in enumerate(processes):
        supervisor.watch(str(rank), process)
    died: list[int] = []
    deadline = math.inf
    while supervisor.running:
        if time.monotonic() > deadline:
            supervisor.kill()
            break
        died += [int(rank) for rank, process in supervisor.wait().items() if process.returncode]
        if died and deadline == math.inf:
            deadline = time.monotonic() + GRACE
    for process in processes:
        process.wait()
    return died


def _report(cause: int, codes: Sequence[int], output: IO[bytes]) -> None:
    """Print the output of the process that failed, and that the others were ended."""
    output.seek(0)
    sys.stderr.write(output.read().decode(errors="replace"))
    if codes[cause] not in (2, 3):  # a user's mistake, a shortfall: its message is in the output
        code = codes[cause]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        print(
            f"error: process {cause} of {len(codes)} {how}, and the others were ended. The same command goes on.",
            file=sys.stderr,
        )


def _start(words: Sequence[str], rank: int, count: int, port: int, output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """Start a rank; output: for what it prints to standard error."""
    placed = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = nccl_settings(installed_cards()) | os.environ | {name: str(value) for name, value in placed.items()}
    return start_command(words, environment=environment, stderr=output)


def nccl_settings(cards: Sequence[Card]) -> dict[str, str]:
    """Return what NCCL needs on several RTX 40 cards: they have no peer-to-peer, and older drivers hang on trying it.

    The two variables that accelerate asks for of such cards (accelerate.utils.environment).
    """
    if len(cards) < 2 or not any("RTX 40" in card.name for card in cards):
        return {}
    return {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
