"""Real processes without the cost of their imports: forks of the one that runs the tests."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from woundgen.runtime.ranks import Ranks, process_group


def fork(action: Callable[[], int], *, environment: Mapping[str, str] | None = None) -> int:
    """Process id of a fork that ends with the exit code `action` gives, or with 70 and a traceback."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.environ.update(environment or {})
            torch.set_num_threads(1)  # no threads of the parent's are there after a fork
            code = action()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def code_of(child: int) -> int:
    """Exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def places() -> list[dict[str, str]]:
    """What a launcher tells two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]


def two_ranks(work: Callable[[Ranks], None]) -> list[int]:
    """Process ids of two forks that train together."""

    def action(rank: int) -> int:
        with process_group(rank, 2, asked=2, device=torch.device("cpu")) as ranks:
            work(ranks)
        return 0

    return [fork(lambda rank=rank: action(rank), environment=place) for rank, place in enumerate(places())]


def in_two_processes(work: Callable[[Ranks], dict[str, Tensor]], folder: Path) -> list[dict[str, Tensor]]:
    """What each of two forks computes."""
    children = two_ranks(lambda ranks: save_file(work(ranks), folder / f"{ranks.rank}.safetensors"))
    assert [code_of(child) for child in children] == [0, 0]
    return [load_file(folder / f"{rank}.safetensors") for rank in range(2)]
