"""Run independent commands in parallel, each on a card of its own: faster for small sets than sharing the cards.

Each job is a process to which only its card is visible; a waiting job takes the first card that is free. A job that
fails does not end the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from woundgen.errors import UserError
from woundgen.runtime.console import Console
from woundgen.runtime.hardware import Card
from woundgen.runtime.processes import POLL, START
from woundgen.runtime.signals import stop_on_signals


@dataclass(frozen=True, slots=True)
class Job:
    """name: prefix of each line that the job prints. words: arguments of `woundgen`, the verb first."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    card: int
    process: subprocess.Popen[str]
    listener: threading.Thread


def parse_cards(text: str, *, present: Sequence[Card]) -> list[int] | None:
    """Parse `--devices 0,1` into card numbers; None for a plain number, which counts processes. UserError for others.

    present: the cards that the driver knows; with none, any numbers are accepted, and runs share the processor.
    """
    if "," not in text:
        if not text.isdecimal() or int(text) < 1:
            raise UserError(f"--devices {text!r} is neither a number of processes nor cards.", "Write 2, or 0,1.")
        return None
    parts = [part.strip() for part in text.strip(",").split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UserError(f"--devices {text!r} does not name cards.", "Write their numbers, each once, such as 0,1.")
    absent = [part for part in parts if present and int(part) not in {card.index for card in present}]
    if absent:
        there = ", ".join(str(card.index) for card in present)
        raise UserError(f"--devices {text}: there is no card {absent[0]}.", f"This machine has {there}.")
    return [int(part) for part in parts]


def run_side_by_side(
    jobs: Sequence[Job],
    *,
    cards: Sequence[int],
    console: Console,
) -> int:
    """Run all jobs, as many at once as there are cards. Exit code: 0, or that of the first job that did not end well.

    A signal is passed on to those that run, and no further job is begun.
    """
    waiting, free = list(jobs), list(cards)
    running: list[_Running] = []
    codes: dict[str, int] = {}
    with stop_on_signals() as stop:
        passed_on = False
        while running or (waiting and stop.received is None):
            while waiting and free and stop.received is None:
                job, card = waiting.pop(0), free.pop(0)
                console.info(f"{job.name} | on card {card}: woundgen {' '.join(job.words)}")
                process = _start(job, card)
                running.append(_Running(job, card, process, _listen(job, process, console)))
            if stop.received is not None and not passed_on:
                passed_on = True
                for job_run in running:
                    job_run.process.send_signal(stop.received)
            for ended in [entry for entry in running if entry.process.poll() is not None]:
                ended.listener.join()
                running.remove(ended)
                free.append(ended.card)
                codes[ended.job.name] = _code(ended.process.returncode)
            time.sleep(POLL)
    failed = [(name, code) for name, code in codes.items() if code]
    for name, code in failed:
        console.info(f"{name} | ended with exit code {code}; the same command goes on from its last checkpoint")
    return 128 + stop.received if stop.received is not None else failed[0][1] if failed else 0


def _code(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned


def _start(job: Job, card: int) -> subprocess.Popen[str]:
    """Start a job in a new session, so that Ctrl-C reaches it once, through this process."""
    environment = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    environment |= {"CUDA_VISIBLE_DEVICES": str(card), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return subprocess.Popen(
        [sys.executable, "-c", START, *job.words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _listen(job: Job, process: subprocess.Popen[str], console: Console) -> threading.Thread:
    """Print each line of the job after its name, in a thread, until the job ends."""

    def relay(lines: IO[str]) -> None:
        for line in lines:
            console.info(f"{job.name} | {line.rstrip()}")

    assert process.stdout is not None
    thread = threading.Thread(target=relay, args=(process.stdout,), daemon=True)
    thread.start()
    return thread
