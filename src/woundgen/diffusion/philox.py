"""Philox4x32-10: random numbers as a function of a counter, the same whole numbers on a CPU and on a GPU.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (the algorithm of Random123, cuRAND and torch's CUDA
generator). In torch's integer operations alone, so that each device makes the numbers it needs, a CUDA graph can record
it, and no generator's state decides. The transform to normals is in double precision, rounded to single at the end:
devices agree to a unit in the last place.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from woundgen.diffusion.randomness import position_seed

Words: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Four int64 tensors that broadcast, each of values in [0, 2^32)."""

ROUNDS = 10
LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Return the random words of each counter. key: two words of 32 bits."""
    a, b, c, d = counter
    first, second = key
    for _ in range(ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]  # modulo 2^64, in the two's complement of int64
        a, b, c, d = (_high(right) ^ b) ^ first, right & LOW, (_high(left) ^ d) ^ second, left & LOW
        first, second = (first + _WEYL[0]) & LOW, (second + _WEYL[1]) & LOW
    return a, b, c, d


def _high(product: Tensor) -> Tensor:
    """The upper word; the shift copies the sign."""
    return (product >> 32) & LOW


def stream_word(stream: str) -> int:
    """Return the 32 bits that a stream's name stands for in the counter."""
    return int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=4).digest(), "little")


def random_words(count: int, *, seed: int, stream: str, step: Tensor, slots: Tensor) -> Tensor:
    """Return int64 [N, ceil(count / 4), 4] words in [0, 2^32), row i a function of (seed, stream, step, slots[i]).

    step: int64 [] or [N]. slots: int64 [N]. They say where the numbers are made.
    """
    whole = position_seed(seed, "philox")
    places = torch.arange(math.ceil(count / 4), device=slots.device)[None, :]
    rows = slots[:, None]
    steps = step.expand(len(slots))[:, None]
    name = torch.full_like(places, stream_word(stream))
    words = philox((places, rows, steps, name), (whole & LOW, whole >> 32 & LOW))
    return torch.stack(torch.broadcast_tensors(*words), dim=-1)


def philox_normal(shape: Sequence[int], *, seed: int, stream: str, step: Tensor, slots: Tensor) -> Tensor:
    """Return standard normals, fp32 [len(slots), *shape], by Box and Muller's transform of `random_words`."""
    count = math.prod(shape)
    unit = (random_words(count, seed=seed, stream=stream, step=step, slots=slots).double() + 0.5) * 2.0**-32
    radius, angle = (-2 * unit[..., 0::2].log()).sqrt(), 2 * math.pi * unit[..., 1::2]
    normals = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    return normals.flatten(1)[:, :count].reshape(len(slots), *shape).float()
