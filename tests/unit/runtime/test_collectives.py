"""The sequence of collectives, under a fake process group: on NCCL ranks that do not call the same ones wait for ever.

torch's fake group runs a single rank and communicates nothing, so the sums are wrong and only the calls are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.distributed.fake_pg import FakeStore

from woundgen.generation.distributed import SharedDraw
from woundgen.models.base import BaseModel
from woundgen.runtime import ranks as module
from woundgen.runtime.ranks import Ranks, process_group
from woundgen.training.terms import ExtraTerm
from woundgen.training.validation import build_grid, per_image_loss

from ..training.rig import Rig, photographs, prompt_embeds

MakeBase = Callable[[], BaseModel]
Call = tuple[str, tuple[int, ...], torch.dtype, str]
"""(reduction, shape, dtype, kind of device)."""


class Spy:
    """In place of torch.distributed.init_process_group and all_reduce: real calls on the fake group, written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Call] = []
        self.backends: list[str] = []
        self._start, self._all_reduce = dist.init_process_group, dist.all_reduce
        monkeypatch.setattr(module.dist, "init_process_group", self.start)
        monkeypatch.setattr(module.dist, "all_reduce", self.all_reduce)
        monkeypatch.setattr(module, "heartbeat_monitor", lambda rank, size: nullcontext())

    def start(self, backend: str, **named: Any) -> None:
        self.backends.append(backend)
        self._start("cpu:fake,cuda:fake", store=FakeStore(), rank=named["rank"], world_size=named["world_size"])

    def all_reduce(self, tensor: Tensor, op: Any = dist.ReduceOp.SUM) -> None:
        kind = "max" if op == dist.ReduceOp.MAX else "sum"
        self.calls.append((kind, tuple(tensor.shape), tensor.dtype, tensor.device.type))
        self._all_reduce(tensor, op=op)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


@contextmanager
def rank_of(rank: int, size: int, device: str = "cpu") -> Iterator[Ranks]:
    with process_group(rank, size, asked=size, device=torch.device(device)) as ranks:
        yield ranks


def calls_of_each(spy: Spy, work: Callable[[Ranks], object], *, size: int) -> list[list[Call]]:
    sequences = []
    for rank in range(size):
        spy.calls = []
        with rank_of(rank, size) as ranks:
            work(ranks)
        sequences.append(spy.calls)
    return sequences


def test_a_step_is_one_gradient_and_one_tally_whatever_a_rank_had_to_do(spy: Spy, make_base: MakeBase) -> None:
    """Three micro-batches for two ranks, and for four: the last of those has none, and calls all the same."""
    rigs = []

    def work(ranks: Ranks) -> None:
        rigs.append(Rig.build(make_base(), global_batch=5, micro_batch=2, steps=2).run(ranks=ranks))

    for size in (2, 4):
        sequences = calls_of_each(spy, work, size=size)
        assert all(sequence == sequences[0] for sequence in sequences)
        step = [("sum", (rigs[0].values.numel(),), torch.float32, "cpu"), ("sum", (2,), torch.float32, "cpu")]
        assert sequences[0][:4] == step * 2
        assert len(sequences[0]) == 5, "and the barrier at the end"


def test_terms_that_few_samples_have_change_no_sequence(spy: Spy, make_base: MakeBase) -> None:
    """One sample in five is computed, and so by one of the ranks alone."""
    term = ExtraTerm("far", 0.1, 0.2, 1e-9, lambda estimate, clean: (estimate - clean).square().flatten(1).mean(1))

    def work(ranks: Ranks) -> None:
        Rig.build(make_base(), global_batch=4, micro_batch=2, steps=2).run(ranks=ranks, terms=[term])

    first, second = calls_of_each(spy, work, size=2)
    assert first == second
    assert first[1] == ("sum", (4,), torch.float32, "cpu")


def test_validation_and_drawing_call_alike(spy: Spy, make_base: MakeBase) -> None:
    base = make_base()
    grid = build_grid(
        photographs().mean[:, 0], alphas_cumprod=base.alphas_cumprod, prediction="v_prediction", timesteps=3, seed=0
    )

    def validate(ranks: Ranks) -> None:
        per_image_loss(
            base.unet, grid, lambda rows: prompt_embeds(rows.tolist(), [False] * len(rows)), batch=4, ranks=ranks
        )

    first, second = calls_of_each(spy, validate, size=2)
    assert first == second
    assert len(first) == 2

    def draw(ranks: Ranks) -> None:
        shared = SharedDraw(
            lambda indices: np.zeros((len(indices), 8, 8, 3), np.uint8), ranks, 2, 8, 12, torch.device("cpu")
        )
        if ranks.first:
            for start in (0, 2, 4):
                shared(range(start, start + 2))
            return
        for start in (0, 4):  # what `serve` does, told here by no other rank where a round begins
            ranks.all_reduce_max([-2], torch.device("cpu"))
            shared._round(start)

    first, second = calls_of_each(spy, draw, size=2)
    assert first == second


def test_a_rank_that_skips_one_would_be_seen(spy: Spy) -> None:
    """The comparison can fail."""

    def work(ranks: Ranks) -> None:
        ranks.all_reduce_sum(torch.zeros(3))
        if ranks.first:
            ranks.barrier()

    first, second = calls_of_each(spy, work, size=2)
    assert first != second


def test_on_cards_vectors_go_by_nccl_and_numbers_by_gloo(spy: Spy) -> None:
    """Tensors of a card that is not there: FakeTensorMode has their shapes, and no numbers."""
    with rank_of(1, 2, "cuda") as ranks, FakeTensorMode():
        ranks.all_reduce_sum(torch.empty(7, device="cuda"))
    assert spy.backends == ["cpu:gloo,cuda:nccl"]
    assert spy.calls == [("sum", (7,), torch.float32, "cuda"), ("max", (1,), torch.int64, "cpu")]
