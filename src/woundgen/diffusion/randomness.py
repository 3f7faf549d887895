"""Randomness as a function of position, never of a generator's history.

Every draw is named by (seed, stream, position): the run's seed, what it is for, and where in the run it
stands (step, slot in the global batch, ...). A resumed run, another batch split or another number of
processes therefore draws the same numbers. Noise is drawn on the CPU and moved, so a GPU sees the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def position_seed(seed: int, stream: str, *position: int) -> int:
    """63-bit seed of one named position (BLAKE2b of its text)."""
    text = f"{seed}/{stream}/{'/'.join(map(str, position))}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, stream: str, *position: int) -> torch.Generator:
    return torch.Generator().manual_seed(position_seed(seed, stream, *position))


def normal(shape: Sequence[int], seed: int, stream: str, step: int, slots: Sequence[int]) -> Tensor:
    """Standard normal [len(slots), *shape]; row i depends on (seed, stream, step, slots[i]) alone."""
    return torch.stack([torch.randn(*shape, generator=generator(seed, stream, step, slot)) for slot in slots])


def uniform(seed: int, stream: str, *position: int) -> float:
    """One number in [0, 1)."""
    return position_seed(seed, stream, *position) / 2**63


def stratified_timesteps(seed: int, step: int, slots: Sequence[int], *, batch: int, count: int, low: int = 0) -> Tensor:
    """int64 [len(slots)] in [low, count): one shared offset, then even strides over the global batch.

    Each timestep is uniform, and a batch covers them all: less variance of the loss at no cost
    (Kingma et al. 2021, Variational Diffusion Models, appendix I.1).
    """
    offset = uniform(seed, "timestep", step)
    fractions = [(offset + slot / batch) % 1.0 for slot in slots]
    return torch.tensor([low + int(fraction * (count - low)) for fraction in fractions])


def epoch_order(seed: int, epoch: int, size: int) -> list[int]:
    """A permutation of range(size) for one pass over the data."""
    return torch.randperm(size, generator=generator(seed, "order", epoch)).tolist()


def balanced_rows(seed: int, step: int, *, batch: int, groups: Sequence[Sequence[int]]) -> list[int]:
    """Rows of the global batch at `step`, the groups in turn: each comes equally often, however large it is.

    groups: row numbers of each, none empty. Inside a group every row comes once before any comes again.
    """
    rows = []
    for position in range(step * batch, (step + 1) * batch):
        turn, number = divmod(position, len(groups))
        group = groups[number]
        epoch, place = divmod(turn, len(group))
        order = torch.randperm(len(group), generator=generator(seed, "group order", number, epoch))
        rows.append(group[int(order[place])])
    return rows


def batch_rows(seed: int, step: int, *, batch: int, size: int) -> list[int]:
    """Rows of the global batch at `step`: consecutive positions of an endless stream of epochs.

    No image is dropped or drawn more often than another, whether the batch divides the set, is larger than
    the set, or the set is a single image.
    """
    first = step * batch
    rows: list[int] = []
    for epoch in range(first // size, (first + batch - 1) // size + 1):
        order = epoch_order(seed, epoch, size)
        start = max(0, first - epoch * size)
        rows += order[start : first + batch - epoch * size]
    return rows[:batch]
