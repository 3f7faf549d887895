"""Encodings that runs share: made once, and the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from woundgen.workflows.train.encodings import encode_once

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def session(folder: Path | None, *, digest: str = "a") -> Any:
    return SimpleNamespace(
        request=SimpleNamespace(encodings=folder),
        base=SimpleNamespace(digest=digest),
        device=torch.device("cpu"),
    )


def test_they_are_made_once_for_what_decides_them(tmp_path: Path) -> None:
    calls = []

    def encode() -> tuple[Tensor, Tensor]:
        calls.append(1)
        generator = torch.Generator().manual_seed(len(calls))
        return torch.randn(2, 1, 8, 2, 2, generator=generator), torch.rand(2, 1, 8, 2, 2, generator=generator)

    folder = tmp_path / "encodings"
    first = encode_once(session(folder), IMAGES, encode, what="4 variations of seed 0")
    again = encode_once(session(folder), IMAGES.copy(), encode, what="4 variations of seed 0")
    assert len(calls) == 1
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    encode_once(session(folder), IMAGES, encode, what="4 variations of seed 1")
    encode_once(session(folder, digest="b"), IMAGES, encode, what="4 variations of seed 0")
    encode_once(session(folder), IMAGES + 1, encode, what="4 variations of seed 0")
    assert len(calls) == 4
    assert len(list(folder.iterdir())) == 4


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    tensors = torch.zeros(1), torch.ones(1)
    assert encode_once(session(None), IMAGES, lambda: tensors, what="") is tensors
    assert not list(tmp_path.iterdir())
