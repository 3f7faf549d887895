"""Starts of a command that SIGKILL ends: in a fork of this process, which has paid for the imports, and is real."""

from __future__ import annotations

import importlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.cli import run

from ..forks import fork

# (module, function, the last of its calls that may be fatal): the parent kills, a random while after it began.
ENTRIES = {
    "caching": ("woundgen.workflows.train.dataset", "encode_images", 1),
    "step": ("woundgen.training.latents", "normal", 12),
    "evaluation": ("woundgen.workflows.train.evaluator", "per_image_loss", 4),
}
WHILES = {"caching": 0.05, "step": 0.03, "evaluation": 0.02}  # seconds, at most; about what each takes
# What a save asks of the disk. Adapters and tensors come in whole files, the rest by these.
REQUESTS = (
    ("os", "mkdir"),
    ("os", "fsync"),
    ("os", "rename"),
    ("os", "replace"),
    ("os", "unlink"),
    ("shutil", "copyfile"),
    ("woundgen.storage.checkpoint", "save_file"),
    ("safetensors.torch", "save_file"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a start is killed. stratum: of ENTRIES, or "save"; call: which one.

    save: of this process, or the next that makes so many requests: only some trim older checkpoints.
    how: after a delay in seconds; before or after the call, or with half of its file on disk ("torn").
    """

    stratum: str
    call: int
    save: int = 0
    delay: float = 0.0
    how: str = "delay"


def draw_moment(stratum: str, *, request: int, chance: random.Random) -> Moment:
    """request: which of a save's requests is the last, for the stratum "save"."""
    if stratum == "save":
        how = chance.choice(("before", "torn", "after"))
        return Moment(stratum, request, save=chance.choice((1, 2)), how=how)
    call = chance.randint(1, ENTRIES[stratum][2])
    return Moment(stratum, call, delay=chance.uniform(0, WHILES[stratum]))


def start(words: list[str], moment: Moment | None) -> int:
    """Wait status of one start of `woundgen WORDS`, killed at the moment or left alone."""
    reader, writer = os.pipe()

    def action() -> int:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if moment is not None:
            _arm(moment, writer)
        return run(words)

    child = fork(action)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        if pipe.read(1) and moment is not None:  # it has come to the moment; without one, it has ended
            time.sleep(moment.delay)
            os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def requests_of_a_save(words: list[str], *, save: int) -> int:
    """How many requests the given save of a run makes, counted in a fork that ends after it."""
    reader, writer = os.pipe()

    def count(request: Request, number: int, requests: int) -> None:
        if number == save:
            os.write(writer, b".")
        if number > save:
            os._exit(0)

    def action() -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _watch_saves(count)
        return run(words)

    child = fork(action)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        found = len(pipe.read())
    os.waitpid(child, 0)
    return found


@dataclass(frozen=True, slots=True)
class Request:
    """One call of REQUESTS."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]

    def make(self) -> Any:
        return self.function(*self.arguments, **self.named)

    def file(self) -> Path | None:
        """What it writes, or pushes to disk for the first time."""
        if self.name == "fsync":
            path = Path(f"/proc/self/fd/{self.arguments[0]}").readlink()
            fresh = path.is_file() and (path.suffix == ".tmp" or any(p.suffix == ".writing" for p in path.parents))
            return path if fresh else None
        return Path(self.arguments[1]) if self.name in ("copyfile", "save_file") else None


def _arm(moment: Moment, writer: int) -> None:
    """Have this process killed at the moment: by itself within a save, else by the parent, who is told."""
    if moment.stratum == "save":

        def fatal(request: Request, number: int, requests: int) -> None:
            if number >= moment.save and requests == moment.call:  # only where older checkpoints are trimmed, some
                _kill(request, how=moment.how)

        _watch_saves(fatal)
        return
    module, name, _ = ENTRIES[moment.stratum]
    calls = [0]

    def tell(request: Request) -> Any:
        calls[0] += 1
        if calls[0] == moment.call:
            os.write(writer, b"!")
        return request.make()

    _wrap(module, name, tell)


def _kill(request: Request, *, how: str) -> None:
    """Before the request, after it, or with half of its file on the disk."""
    if how == "after" or (how == "torn" and request.name != "fsync" and request.file() is not None):
        request.make()
    torn = request.file() if how == "torn" else None
    if torn is not None:
        os.truncate(torn, torn.stat().st_size // 2)
    os.kill(os.getpid(), signal.SIGKILL)


def _watch_saves(before: Callable[[Request, int, int], None]) -> None:
    """Call `before` with each request of a save, the number of the save in this process, and that of the request."""
    saves, requests, inside = [0], [0], [False]

    def counted(request: Request) -> Any:
        saves[0] += 1
        requests[0], inside[0] = 0, True
        result = request.make()
        inside[0] = False
        return result

    def watched(request: Request) -> Any:
        if inside[0]:
            requests[0] += 1
            before(request, saves[0], requests[0])
        return request.make()

    for module, name in REQUESTS:
        _wrap(module, name, watched)
    _wrap("woundgen.workflows.train.checkpoints:Checkpointer", "save", counted)


def _wrap(owner: str, name: str, around: Callable[[Request], Any]) -> None:
    module, _, inner = owner.partition(":")
    holder = importlib.import_module(module)
    holder = getattr(holder, inner) if inner else holder
    function = getattr(holder, name)
    setattr(holder, name, lambda *arguments, **named: around(Request(name, function, arguments, named)))


def kill_at(module: Any, name: str, call: int, *, after: bool) -> None:
    """Let the call-th call of module.name be the process's last: not begun, or done and nothing after it."""
    function, calls = getattr(module, name), [0]

    def fatal(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, fatal)
