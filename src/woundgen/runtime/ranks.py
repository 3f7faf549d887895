"""Ranks of a process group: collectives on tensors, and decisions made once for all.

The trained parameters are one vector, so data parallelism is one all-reduce of one gradient a step. Micro-batches are
assigned to the ranks in turn, and randomness is by slot of the global batch (diffusion/randomness.py): any number of
processes uses the same images, timesteps and noise. Only tensors are sent; nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from woundgen.errors import UserError
from woundgen.runtime.heartbeat import heartbeat_monitor

PATIENCE = timedelta(hours=6)
"""Longest wait for a rank that is alive and works alone; one that dies or hangs is noticed by heartbeat.py."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process in a group of `size`. For (0, 1), a process alone, every collective returns its input."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes files and prints."""
        return self.rank == 0

    def shard(self, things: int) -> range:
        """Return the indices below `things` that this rank works on: every size-th."""
        return range(self.rank, things, self.size)

    def all_reduce_sum(self, tensor: Tensor) -> None:
        """Replace `tensor` by its sum over the ranks, the same bits on each."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def broadcast(self, text: str, *, source: int) -> str:
        """Return the text of rank `source` on all ranks."""
        if self.size == 1:
            return text
        content = text.encode() if self.rank == source else b""
        (length,) = self.all_reduce_max([len(content)])
        tensor = torch.zeros(length, dtype=torch.uint8)
        tensor[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else 0
        dist.all_reduce(tensor)
        return bytes(tensor.tolist()).decode()

    def all_reduce_max(self, numbers: Sequence[int], device: torch.device | None = None) -> list[int]:
        """Return the elementwise maximum over the ranks."""
        if self.size == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.int64, device=device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor.tolist()

    def barrier(self) -> None:
        """Wait until all ranks have come here."""
        self.all_reduce_max([0])

    def assert_same(self, number: int, what: str, device: torch.device | None = None) -> None:
        """Raise UserError on all ranks where they do not hold the same number. what: names it in the message."""
        high, low = self.all_reduce_max([number, -number], device)
        if high != -low:
            raise UserError(
                f"The {self.size} processes do not have the same {what}.",
                "Give all of them the same photographs, settings and run folder.",
            )


ALONE = Ranks()


@contextmanager
def first_rank_first(ranks: Ranks) -> Iterator[None]:
    """Run the body on rank 0 first, then on the others, which can read what rank 0 has written."""
    if not ranks.first:
        ranks.barrier()
    yield
    if ranks.first:
        ranks.barrier()


@contextmanager
def process_group(rank: int, size: int, *, asked: int | None, device: torch.device) -> Iterator[Ranks]:
    """Join the process group that the launcher's environment names (MASTER_ADDR, MASTER_PORT), and leave it at the end.

    asked: how many processes the user wants, or None. UserError where the launcher started another number, which
    would otherwise train at another batch without notice.
    """
    if asked is not None and asked != size:
        raise UserError(
            f"--devices {asked}, but the launcher started {size} process{'es' * (size > 1)}.",
            "Start as many as --devices says, or leave --devices out.",
        )
    if size == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, rank=rank, world_size=size, timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The {size} processes did not come together ({str(error).splitlines()[0]}).",
            "Start them with --devices N, torchrun or accelerate launch.",
        ) from None
    try:
        if dist.get_world_size() != size:
            raise UserError(f"{size} processes were asked for and {dist.get_world_size()} came together.")
        with heartbeat_monitor(rank, size):
            ranks = Ranks(rank, size)
            yield ranks
            ranks.barrier()  # no rank may leave, and end its heartbeat, before all have finished
    finally:
        dist.destroy_process_group()


def unheard(*anything: object) -> None:
    """Do nothing: the console methods of ranks other than 0, in jobs that take them one by one."""
