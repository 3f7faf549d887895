"""Global generators in a checkpoint, and the check of what a machine draws."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from woundgen.training import generators as module
from woundgen.training.generators import draws_digest, generator_states, restore_generators, start_generators


def draws() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.rand()), random.random()  # noqa: NPY002


def test_put_back_through_a_file(tmp_path: Path) -> None:
    start_generators(3, 0)
    draws()
    save_file(generator_states(), tmp_path / "states.safetensors")
    expected = draws()
    start_generators(4, 0)
    assert draws() != expected
    restore_generators(load_file(tmp_path / "states.safetensors"))
    assert draws() == expected


def test_started_from_the_seed() -> None:
    start_generators(3, 0)
    first = draws()
    start_generators(3, 0)
    assert draws() == first
    start_generators(3, 1)
    assert draws() != first


def test_another_way_of_drawing_is_seen(monkeypatch: object) -> None:
    assert draws_digest(1, 5) == draws_digest(1, 5)
    assert len({draws_digest(1, 5), draws_digest(2, 5), draws_digest(1, 6)}) == 3
    before, normal = draws_digest(1, 5), module.normal
    try:
        module.normal = lambda *arguments: -normal(*arguments)  # type: ignore[assignment]
        assert draws_digest(1, 5) != before
    finally:
        module.normal = normal
