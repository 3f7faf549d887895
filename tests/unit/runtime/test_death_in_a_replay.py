"""A rank that dies while a CUDA graph is replayed ends the others, and its words are shown."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import IO, Any

import pytest
import torch
from torch import Tensor

from woundgen.models.base import BaseModel
from woundgen.models.recorded_function import Function
from woundgen.runtime import processes as module
from woundgen.runtime.processes import run_together
from woundgen.runtime.ranks import process_group
from woundgen.training.loss_pass import VerifiedLossPass

from ..recorders import StandIn
from ..training.rig import Rig

MakeBase = Callable[[], BaseModel]
FATAL = 4  # the replay in which it happens; the first is the check


class Forked:
    """A fork of this process with the part of subprocess.Popen's interface that run_together uses."""

    def __init__(self, work: Callable[[], None], environment: dict[str, str], stderr: IO[bytes] | None) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            if stderr is not None:
                os.dup2(stderr.fileno(), 2)
                sys.stderr = os.fdopen(2, "w", buffering=1)
            os.environ.update(environment)
            torch.set_num_threads(1)
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if found else None
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Fatal:
    """A recorder whose replay ends as a card does that falls off the bus, or a kernel that reads where it may not."""

    def __init__(self, how: str) -> None:
        self.how, self.honest = how, StandIn()

    def __call__(self, function: Function, inputs: Sequence[Tensor]) -> Function:
        replay = self.honest(function, inputs)

        def fatal(*values: Tensor) -> Tensor:
            if self.honest.replays + 1 == FATAL:
                if self.how == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return replay(*values)

        return fatal


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("killed", 137, "process 1 of 2 was killed by signal 9, and the others were ended"),
        ("raises", 1, "CUDA error: an illegal memory access was encountered"),
    ],
)
def test_all_end_and_the_cause_is_shown(
    how: str,
    code: int,
    words: str,
    make_base: MakeBase,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    base = make_base()

    def train(rank: int) -> None:
        with process_group(rank, 2, asked=2, device=torch.device("cpu")) as ranks:
            rig = Rig.build(base, global_batch=4, micro_batch=2, steps=50)
            recorder = Fatal(how) if rank == 1 else StandIn()
            rig.run(ranks=ranks, loss_pass=VerifiedLossPass(base.unet, rig.trainable, record=recorder, faults=[]))

    def start(command: object, rank: int, count: int, port: int, output: IO[bytes] | None) -> Any:
        place = {"RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        return Forked(lambda: train(rank), {name: str(value) for name, value in place.items()}, output)

    monkeypatch.setattr(module, "_start", start)
    started = time.monotonic()
    assert run_together(["train"], count=2) == code
    assert time.monotonic() - started < 60
    assert words in capfd.readouterr().err
