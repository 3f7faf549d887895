"""What processes that train together say to one another: sums of tensors, and decisions made once.

What is trained is one vector, so data parallelism is one sum of one gradient a step. Micro-batches are dealt to
the ranks in turn, and randomness is by slot of the global batch (diffusion/randomness.py): any number of
processes sees the same images, timesteps and noise. Only tensors travel; nothing is pickled.
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
from woundgen.runtime.heartbeat import watched

PATIENCE = timedelta(hours=6)
"""For a rank that is alive and has much to do alone; one that dies or hangs is noticed otherwise: heartbeat.py."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among `size` that train together; (0, 1) is a process alone, for which all of this is nothing."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def mine(self, things: int) -> range:
        """Which of `things` pieces of work are this rank's: dealt in turn."""
        return range(self.rank, things, self.size)

    def add_up(self, tensor: Tensor) -> None:
        """Replace `tensor` by its sum over the ranks, the same bits on each."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def share(self, text: str, *, by: int) -> str:
        """What rank `by` holds, on all ranks."""
        if self.size == 1:
            return text
        content = text.encode() if self.rank == by else b""
        (length,) = self.greatest([len(content)])
        tensor = torch.zeros(length, dtype=torch.uint8)
        tensor[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else 0
        dist.all_reduce(tensor)
        return bytes(tensor.tolist()).decode()

    def greatest(self, numbers: Sequence[int], device: torch.device | None = None) -> list[int]:
        """Elementwise maximum over the ranks: what any of them knows, all know."""
        if self.size == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.int64, device=device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor.tolist()

    def meet(self) -> None:
        """Go on once all ranks have come here."""
        self.greatest([0])

    def agree(self, number: int, what: str, device: torch.device | None = None) -> None:
        """UserError on all ranks where they do not hold the same number."""
        high, low = self.greatest([number, -number], device)
        if high != -low:
            raise UserError(
                f"The {self.size} processes do not have the same {what}.",
                "Give all of them the same photographs, settings and run folder.",
            )


ALONE = Ranks()


@contextmanager
def in_turn(ranks: Ranks) -> Iterator[None]:
    """The first of the ranks does what is inside, then the others: what it leaves on disk they find."""
    if not ranks.first:
        ranks.meet()
    yield
    if ranks.first:
        ranks.meet()


@contextmanager
def joined(rank: int, size: int, *, asked: int | None, device: torch.device) -> Iterator[Ranks]:
    """The group that the launcher's environment names (MASTER_ADDR, MASTER_PORT), left again at the end.

    asked: how many processes the user wants, if said. UserError where another number has come together: a
    launcher that quietly starts one process would train at half the batch.
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
        with watched(rank, size):
            ranks = Ranks(rank, size)
            yield ranks
            ranks.meet()  # none leaves, and takes its beat away, before all have done their work
    finally:
        dist.destroy_process_group()


def unheard(*told: object) -> None:
    """In place of what the first rank says and shows of its progress, for every other one."""
