"""How a job speaks: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 15.0


@dataclass(slots=True)
class Terminal:
    """`say` prints a line; `progress(done, total, text)` moves the bar, or prints a line now and then."""

    bar: Progress | None
    spoken: float = field(default=0.0)

    def say(self, line: str) -> None:
        if self.bar is not None:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)

    def progress(self, done: int, total: int, text: str) -> None:
        if self.bar is not None:
            if not self.bar.task_ids or self.bar.tasks[-1].total != total or self.bar.tasks[-1].completed > done:
                for task in self.bar.task_ids:
                    self.bar.remove_task(task)
                self.bar.add_task("", total=total)
            self.bar.update(self.bar.task_ids[-1], completed=done, description=text)
        elif done == total or time.monotonic() - self.spoken > SECONDS_BETWEEN_LINES:
            self.spoken = time.monotonic()
            print(f"{done}/{total}  {text}", flush=True)


@contextmanager
def terminal() -> Iterator[Terminal]:
    if not sys.stdout.isatty():
        yield Terminal(bar=None)
        return
    from rich.console import Console  # here, so that --help does not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(), transient=True) as bar:
        yield Terminal(bar=bar)
