"""Philox4x32-10 against the published known answers, and the normals made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from woundgen.diffusion.philox import philox, philox_normal, random_words, stream_word

M, W, LOW = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 0xFFFFFFFF
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


# Random123's kat_vectors, "philox4x32 10": counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: str, key: str, expected: str, device: str) -> None:
    first, second = words(key)
    places = tuple(torch.tensor([word], device=device) for word in words(counter))
    found = philox(places, (first, second))  # type: ignore[arg-type]
    assert [int(word.item()) for word in found] == words(expected)


def reference(counter: list[int], key: list[int]) -> list[int]:
    """The round as the paper writes it (section 3.3), in whole numbers of any size."""
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(M[0] * a, 1 << 32)
        high1, low1 = divmod(M[1] * c, 1 << 32)
        a, b, c, d = high1 ^ b ^ k0, low1, high0 ^ d ^ k1, low0
        k0, k1 = (k0 + W[0]) & LOW, (k1 + W[1]) & LOW
    return [a, b, c, d]


def test_equals_the_rounds_in_whole_numbers() -> None:
    source = np.random.default_rng(0)
    counters = source.integers(0, 1 << 32, (50, 4))
    key = [int(word) for word in source.integers(0, 1 << 32, 2)]
    found = torch.stack(philox(torch.from_numpy(counters).unbind(1), (key[0], key[1])), 1)  # type: ignore[arg-type]
    assert found.tolist() == [reference([int(word) for word in row], key) for row in counters]


def draw(slots: list[int], *, shape: tuple[int, ...] = (4, 8, 8), step: int = 7, **named: object) -> torch.Tensor:
    given = {"seed": 3, "stream": "noise"} | named
    return philox_normal(shape, step=torch.tensor(step), slots=torch.tensor(slots), **given)  # type: ignore[arg-type]


def test_a_row_depends_on_its_position_alone() -> None:
    whole = draw([0, 1, 2, 3])
    assert torch.equal(draw([2, 0]), whole[[2, 0]])
    assert torch.equal(draw([0, 1], shape=(2, 8, 8)), whole[:2, :2]), "a smaller shape is the beginning of a larger one"
    for other in (draw([0], step=8), draw([0], seed=4), draw([0], stream="posterior"), whole[1:2]):
        assert not torch.isclose(other, whole[:1]).any()


def test_streams_have_names_of_their_own() -> None:
    assert len({stream_word(name) for name in ("noise", "posterior", "noise offset")}) == 3


def test_numbers_are_standard_normal() -> None:
    """Kolmogorov and Smirnov's test, the first four moments, and neighbours that know nothing of one another."""
    values = draw(list(range(64)), shape=(4, 16, 16)).double()
    flat = values.flatten()
    n = len(flat)
    assert stats.kstest(flat.numpy(), "norm").pvalue > 1e-3
    assert abs(flat.mean()) < 4 / math.sqrt(n)
    assert abs(flat.square().mean() - 1) < 4 * math.sqrt(2 / n)
    assert abs(flat.pow(3).mean()) < 4 * math.sqrt(15 / n)
    assert abs(flat.pow(4).mean() - 3) < 4 * math.sqrt(96 / n)
    for shift in (1, 2, 4, 1024):
        assert abs((flat[:-shift] * flat[shift:]).mean()) < 4 / math.sqrt(n)
    squares = flat.square() - 1
    assert abs((squares[:-1] * squares[1:]).mean()) < 4 * 2 / math.sqrt(n)


def test_normals_are_within_an_ulp_of_the_formula() -> None:
    """The tolerance that the docs state between devices, here against Python's own functions."""
    found = draw([5], shape=(6,))[0]
    raw = random_words(6, seed=3, stream="noise", step=torch.tensor(7), slots=torch.tensor([5]))[0]
    expected = []
    for first, second, third, fourth in raw.tolist():
        for u, v in ((first, second), (third, fourth)):
            radius = math.sqrt(-2 * math.log((u + 0.5) / 2**32))
            expected += [
                radius * math.cos(2 * math.pi * (v + 0.5) / 2**32),
                radius * math.sin(2 * math.pi * (v + 0.5) / 2**32),
            ]
    wanted = np.array(expected[:6], np.float32)
    assert (np.abs(found.numpy() - wanted) <= np.spacing(np.abs(wanted))).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares a CPU with a GPU")
def test_devices_agree() -> None:
    slots, step = torch.arange(16), torch.tensor(7)
    for function, exact in ((random_words, True), (philox_normal, False)):
        shape: object = 4096 if exact else (4, 32, 32)
        here, there = (
            function(shape, seed=3, stream="noise", step=step.to(device), slots=slots.to(device)).cpu()  # type: ignore[operator]
            for device in ("cpu", "cuda")
        )
        assert torch.equal(here, there) if exact else torch.allclose(here, there, rtol=1.2e-7, atol=1e-12)
