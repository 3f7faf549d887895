"""Dropout masks as a function of (seed, step, sample, layer): equal after a resume, on any batch split and device.

torch's dropout draws from a global generator, so a mask depends on everything drawn before. Here each element of a
mask is a byte of a hash of its position: no mask is kept, a layer met again in the same step (gradient checkpointing
recomputes) gets the mask it had, and the bytes are made where they are used: whole numbers alone, so that a GPU and a
CPU see the same. From the CPU they would have to be copied at every layer, 100 MB a step of Stable Diffusion.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

# SplitMix64 (Steele, Lea & Flood 2014, Fast splittable pseudorandom number generators; constants of Vigna's public
# domain splitmix64.c), in the two's complement that torch's int64 has.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))


class DropoutMasks:
    """Call `begin` with one seed per sample of the micro-batch, then run the model.

    The rate is rounded to 1/256, so that one random byte decides an element: 0.1 becomes 26/256 = 0.1016.
    """

    def __init__(self, rate: float) -> None:
        self.threshold = round(rate * 256)
        self.keep = 1 - self.threshold / 256
        self._seeds: Tensor | None = None
        self._places: dict[int, Tensor] = {}

    @property
    def active(self) -> bool:
        return self._seeds is not None

    def begin(self, seeds: Tensor | None) -> None:
        """Start a micro-batch. seeds: int64 [N] where the model is; None switches dropout off (evaluation)."""
        self._seeds = None
        if seeds is not None:  # always read from one place: a CUDA graph reads where it read when it was recorded
            self._seeds = self._places.setdefault(len(seeds), torch.empty_like(seeds)).copy_(seeds)

    def kept(self, layer: int, x: Tensor) -> Tensor:
        """x [N, ...] with dropped elements put to 0, the others as they are; N is the number of seeds.

        layer: `seed_of` its name. Whoever uses it divides by `keep`, after the products: the mask rounds nothing.
        """
        assert self._seeds is not None, "begin was called"
        noise = random_bytes(self._seeds ^ layer, x[0].numel())
        return x * noise.ge_(self.threshold).reshape(x.shape)


def seed_of(layer: str) -> int:
    """63-bit seed of a layer's name."""
    return int.from_bytes(hashlib.blake2b(layer.encode(), digest_size=8).digest(), "little") >> 1


def random_bytes(seeds: Tensor, count: int) -> Tensor:
    """uint8 [N, count], row i the first bytes of SplitMix64 begun at seeds[i] (int64 [N])."""
    words = torch.arange(1, -(-count // 8) + 1, device=seeds.device).mul_(_STEP) + seeds[:, None]
    shifted = torch.empty_like(words)
    for shift, factor in _ROUNDS:
        torch.bitwise_right_shift(words, shift, out=shifted)
        words.bitwise_xor_(shifted.bitwise_and_((1 << 64 - shift) - 1)).mul_(factor)  # the shift copies the sign
    return words.view(torch.uint8)[:, :count]
