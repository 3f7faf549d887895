"""Have units done: in this process, or by a process a card. Results do not depend on which process does a unit.

A worker process reads a unit a line, as JSON, and answers each with a line when its result is on disk. It ends when its
standard input does, and with the process that started it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from woundgen.errors import UserError
from woundgen.runtime.signals import stop_on_signals
from woundgen.runtime.supervisor import POLL
from woundgen.workflows.tune.study import TuningStudy, read_study
from woundgen.workflows.tune.unit import Unit, UnitResult, read_result, unit_from_json
from woundgen.workflows.tune.work import Stopped, Worker

START = "; ".join(
    (
        "from woundgen.runtime.supervisor import end_with_parent",
        "end_with_parent()",
        "from woundgen.workflows.tune.workers import serve",
        "serve()",
    )
)
DONE, FAILED, STOPPED = "done", "failed", "stopped"
Report = Callable[[Unit, UnitResult | None], None]  # None where the unit begins


class Team(Protocol):
    """Whoever does units."""

    def run(self, units: Sequence[Unit], report: Report) -> list[UnitResult]:
        """Do all units; return their results in the same order. Raises Stopped after a signal."""
        ...


class OneProcess:
    """Does units in this process, in turn."""

    def __init__(self, study: TuningStudy) -> None:
        self.worker = Worker(study)

    def run(self, units: Sequence[Unit], report: Report) -> list[UnitResult]:
        """Do all units in order."""
        results = []
        for unit in units:
            report(unit, read_result(self.worker.study.folder, unit.name))
            results.append(self.worker.do(unit))
            report(unit, results[-1])
        return results


class ProcessPool:
    """A worker process a card; a waiting unit goes to the first that is free."""

    def __init__(self, study: TuningStudy, cards: Sequence[int]) -> None:
        self.study = study
        self.answers: queue.Queue[tuple[int, str]] = queue.Queue()
        self.workers = [_start(study.folder, card) for card in cards]
        for number, worker in enumerate(self.workers):
            threading.Thread(target=self._listen, args=(number, worker), daemon=True).start()

    def _listen(self, number: int, worker: subprocess.Popen[str]) -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            self.answers.put((number, line.strip()))
        self.answers.put((number, ""))  # it has ended

    def run(self, units: Sequence[Unit], report: Report) -> list[UnitResult]:
        """Do all units, as many at once as there are workers."""
        folder = self.study.folder
        waiting = [unit for unit in units if read_result(folder, unit.name) is None]
        free, running = list(range(len(self.workers))), dict[int, Unit]()
        with stop_on_signals() as stop:
            while waiting or running:
                while waiting and free:
                    number, unit = free.pop(0), waiting.pop(0)
                    running[number] = unit
                    report(unit, None)
                    self._send(number, unit)
                try:
                    number, answer = self.answers.get(timeout=POLL)
                except queue.Empty:
                    if stop.received is not None:
                        self._stop(stop.received)
                        raise Stopped(128 + stop.received) from None
                    continue
                unit = running.pop(number)
                _check_answer(unit, answer)
                free.append(number)
                report(unit, read_result(folder, unit.name))
        results = [read_result(folder, unit.name) for unit in units]
        return [result for result in results if result is not None]

    def _send(self, number: int, unit: Unit) -> None:
        pipe = self.workers[number].stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(unit.to_json()) + "\n")
            pipe.flush()
        except OSError:
            raise UserError(f"The process of card {number} has ended.", "The same command goes on.") from None

    def _stop(self, number: int) -> None:
        """Pass a signal on, so that trainings end with a checkpoint, and wait for it."""
        for worker in self.workers:
            worker.send_signal(number)
        self.close()

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.close()
        for worker in self.workers:
            worker.wait()


def _check_answer(unit: Unit, answer: str) -> None:
    word, _, text = answer.partition(" ")
    if word == DONE:
        return
    if word == STOPPED:
        raise Stopped(int(text))
    reason = json.loads(text) if word == FAILED else "its process has ended"
    raise UserError(f"{unit.name}: {reason}", "Mend it and run the same command again; what was done stays.")


def _start(folder: Path, card: int) -> subprocess.Popen[str]:
    """Start a worker in a new session, so that Ctrl-C reaches it once, passed on by this process."""
    environment = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    environment |= {"CUDA_VISIBLE_DEVICES": str(card), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return subprocess.Popen(
        [sys.executable, "-c", START, str(folder)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def open_team(study: TuningStudy, cards: Sequence[int]) -> Iterator[Team]:
    """Give the process pool of several cards, or this process alone."""
    if len(cards) < 2:
        yield OneProcess(study)
        return
    pool = ProcessPool(study, cards)
    try:
        yield pool
    finally:
        pool.close()


def serve() -> None:
    """Do units that come by standard input, a line each, in the study that the first argument names."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    worker = Worker(read_study(Path(sys.argv[1])))
    for line in sys.stdin:
        try:
            worker.do(unit_from_json(json.loads(line)))
            answers.write(f"{DONE}\n")
        except Stopped as stopped:
            answers.write(f"{STOPPED} {stopped.code}\n")
        except UserError as error:
            answers.write(f"{FAILED} {json.dumps(str(error))}\n")
        except KeyboardInterrupt:  # while it draws: nothing of this unit is on disk but a resumable training
            answers.write(f"{STOPPED} 130\n")
        answers.flush()
