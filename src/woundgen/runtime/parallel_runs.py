"""Run independent commands in parallel, each on a card of its own: faster for small sets than sharing the cards.

Each job is a process to which only its card is visible; a waiting job takes the first card that is free. A job that
fails does not end the others.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO

from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.runtime.console import VARIABLE
from woundgen.runtime.hardware import Card
from woundgen.runtime.signals import stop_on_signals
from woundgen.runtime.supervisor import Supervisor, exit_code, start_command


@dataclass(frozen=True, slots=True)
class Job:
    """name: prefix of each line that the job prints. words: arguments of `woundgen`, the verb first."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    card: int
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


def run_side_by_side(jobs: Sequence[Job], *, cards: Sequence[int], slot: str = "card") -> Work[int]:
    """Run all jobs, as many at once as there are cards. Exit code: 0, or that of the first job that did not end well.

    A signal is passed on to those that run, and no further job is begun. slot: what a number of `cards` is called.
    """
    waiting, free = list(jobs), list(cards)
    lines: SimpleQueue[str] = SimpleQueue()
    running: dict[str, _Running] = {}
    failed: list[tuple[str, int]] = []
    with stop_on_signals() as stop:
        supervisor = Supervisor(stop)
        while supervisor.running or (waiting and stop.received is None):
            while waiting and free and stop.received is None:
                job, card = waiting.pop(0), free.pop(0)
                yield Info(f"{job.name} | on {slot} {card}: woundgen {' '.join(job.words)}")
                process = _start(job, card)
                supervisor.watch(job.name, process)
                running[job.name] = _Running(job, card, _listen(job, process, lines))
            ended = supervisor.wait()
            for name, process in ended.items():
                running[name].listener.join()
                free.append(running[name].card)
                if code := exit_code(process):
                    failed.append((name, code))
            yield from _read(lines)
    for name, code in failed:
        yield Info(f"{name} | ended with exit code {code}; the same command goes on from its last checkpoint")
    return 128 + stop.received if stop.received is not None else failed[0][1] if failed else 0


def _start(job: Job, card: int) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    environment |= {"CUDA_VISIBLE_DEVICES": str(card), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if environment.get(VARIABLE) == "json":  # its lines are messages of ours
        environment[VARIABLE] = "lines"
    return start_command(
        job.words, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _listen(job: Job, process: subprocess.Popen[str], lines: SimpleQueue[str]) -> threading.Thread:
    """Put each line of the job, after its name, into `lines`, in a thread, until the job ends."""

    def relay(output: IO[str]) -> None:
        for line in output:
            lines.put(f"{job.name} | {line.rstrip()}")

    assert process.stdout is not None
    thread = threading.Thread(target=relay, args=(process.stdout,), daemon=True)
    thread.start()
    return thread


def _read(lines: SimpleQueue[str]) -> Iterator[Info]:
    """Take the lines out of the queue."""
    while not lines.empty():
        yield Info(lines.get())
