"""The one object through which a process writes its messages and its progress.

Jobs yield events (woundgen.events), which the commands show here; a training keeps its console in its session.
Mechanisms return facts or raise. WOUNDGEN_CONSOLE chooses the format: lines (the default), quiet (warnings only) or
json (one object a line).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from woundgen.errors import UserError
from woundgen.events import Detail, Event, Info, Progress, T, Warn, Work
from woundgen.storage.display import escape_controls

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Result(Protocol):
    """A result that a machine can read."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values by name."""


Mode = Literal["lines", "verbose", "quiet", "json", "silent"]
VARIABLE = "WOUNDGEN_CONSOLE"
SECONDS_BETWEEN_LINES = 60.0


@dataclass(slots=True)
class Pace:
    """How fast a job goes. began: monotonic seconds, at `first` of `total`; last: done at the last look."""

    began: float
    first: int
    total: int
    last: int = 0

    def is_of_another_job(self, done: int, total: int) -> bool:
        """Whether this progress belongs to a job that began later; else note how far it is."""
        if total != self.total or done < self.last:
            return True
        self.last = done
        return False

    def describe(self, done: int) -> str:
        """Return the rate and the time left in words, or "" where neither is known yet."""
        seconds = time.monotonic() - self.began
        if done <= self.first or done >= self.total or seconds < 1:
            return ""
        rate = (done - self.first) / seconds
        left = (self.total - done) / rate
        unit = f"{left / 3600:.1f} h" if left >= 7200 else f"{left / 60:.0f} min" if left >= 120 else f"{left:.0f} s"
        speed = f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} s each"
        return f"  ({speed}, {unit} left)"


@dataclass(slots=True)
class Console:
    """Print messages and progress to standard output in one of the modes; `silent` prints nothing.

    bar: of rich, where standard output is a terminal.
    """

    mode: Mode = "lines"
    bar: Bar | None = None
    printed_at: float = 0.0  # when the last line of progress was printed
    pace: Pace | None = None  # of the job whose progress is shown

    def __enter__(self) -> Console:
        """Stay open: whoever opened it closes it. So `with console or open_console()` takes either."""
        return self

    def __exit__(self, *error: object) -> None: ...

    def info(self, message: str) -> None:
        """Print a message."""
        if self.mode == "json":
            self._print_json({"level": "info", "message": message})
        elif self.mode in ("lines", "verbose"):
            self._print(message)

    def detail(self, message: str) -> None:
        """Print a message that few readers want: in verbose and JSON mode."""
        if self.mode == "json":
            self._print_json({"level": "detail", "message": message})
        elif self.mode == "verbose":
            self._print(message)

    def warn(self, message: str) -> None:
        """Print a message that begins with `warning:`; also in quiet mode."""
        if self.mode == "json":
            self._print_json({"level": "warning", "message": message})
        elif self.mode != "silent":
            self._print(f"warning: {message}", style="yellow")

    def show(self, event: Event) -> None:
        """Print an event of a job."""
        match event:
            case Info(text):
                self.info(text)
            case Detail(text):
                self.detail(text)
            case Warn(text):
                self.warn(text)
            case Progress(done, total, text):
                self.progress(done, total, text)

    def follow(self, work: Work[T]) -> T:
        """Run a job, print its events, and return what it returns.

        An error of the printing is raised inside the job, at the event, as if the job itself had printed.
        """
        try:
            event = next(work)
            while True:
                try:
                    self.show(event)
                except BaseException as error:
                    event = work.throw(error)
                else:
                    event = next(work)
        except StopIteration as end:
            result: T = end.value
            return result

    def result(self, verb: str, result: Result) -> None:
        """Print a result as an object in JSON mode; in the other modes its numbers are printed as messages."""
        if self.mode == "json":
            self._print_json({"level": "result", "verb": verb, "result": result.to_json()})

    def progress(self, done: int, total: int, text: str) -> None:
        """Move the bar, or print `done/total  text` with the time left every SECONDS_BETWEEN_LINES and at the end."""
        if self.mode in ("quiet", "silent"):
            return
        if self.pace is None or self.pace.is_of_another_job(done, total):
            self.pace = Pace(time.monotonic(), done, total)
        if self.bar is not None:
            _move(self.bar, done, total, text)
        elif done == total or time.monotonic() - self.printed_at > SECONDS_BETWEEN_LINES:
            self.printed_at = time.monotonic()
            if self.mode == "json":
                self._print_json({"level": "progress", "done": done, "total": total, "message": text})
            else:
                print(f"{done}/{total}  {text}{self.pace.describe(done)}", flush=True)

    def _print(self, line: str, *, style: str | None = None) -> None:
        line = escape_controls(line, lines=True)
        if self.bar is not None:  # rich leaves colours out where NO_COLOR is set
            screen = self.bar.console
            screen.print(wrap(line, screen.width), highlight=False, markup=False, style=style)
        else:
            print(line, flush=True)

    def _print_json(self, content: Mapping[str, Any]) -> None:
        print(escape_controls(json.dumps(content, ensure_ascii=False)), flush=True)


def silent_console() -> Console:
    """Return the console of a process that leaves speaking to another: every rank but the first."""
    return Console("silent")


def chosen_mode(environment: Mapping[str, str]) -> Mode:
    """Return the mode that WOUNDGEN_CONSOLE names; UserError for a mode that does not exist."""
    mode = environment.get(VARIABLE) or "lines"
    for known in get_args(Mode):
        if mode == known:
            return known
    raise UserError(f"{VARIABLE}={mode} is unknown.", f"Use {' | '.join(get_args(Mode))}.")


def terminal_width() -> int | None:
    """Return the characters of a line of the terminal; None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@contextmanager
def open_console() -> Iterator[Console]:
    """Give the console of this process; a progress bar runs while inside, if standard output is a terminal."""
    mode = chosen_mode(os.environ)
    if mode not in ("lines", "verbose") or not sys.stdout.isatty():
        yield Console(mode)
        return
    from rich.console import Console as Screen  # here, so that --help does not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Screen(), transient=True) as bar:
        yield Console(mode, bar)


def wrap(text: str, width: int) -> str:
    """Wrap lines that are wider than the terminal, indented under their second column where they begin with a name."""
    lines = []
    for line in text.splitlines() or [""]:
        name = re.match(r"\s*\S.{0,20}?\s{2,}(?=\S)", line)
        indent = " " * (len(name[0]) if name else len(line) - len(line.lstrip()) + 2)
        fits = len(line) <= width or len(indent) > width // 2
        lines += [line] if fits else textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
            drop_whitespace=True,
        )  # fmt: skip
    return "\n".join(lines)


def _move(bar: Bar, done: int, total: int, text: str) -> None:
    """Show `done` of `total` on the bar's last task; start another one for a new job."""
    if not bar.task_ids or bar.tasks[-1].total != total or bar.tasks[-1].completed > done:
        for task in bar.task_ids:
            bar.remove_task(task)
        bar.add_task("", total=total)
    bar.update(bar.task_ids[-1], completed=done, description=text)
