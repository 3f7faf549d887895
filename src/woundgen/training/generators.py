"""The global random generators, in a checkpoint for completeness, and whether this machine draws as the last did.

Nothing of ours draws from them: what a step draws is named by position (diffusion/randomness.py). They are set
at the start and put back on a resume, so that a library that draws from them does not make two runs differ.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from woundgen.adapters.dropout import random_bytes
from woundgen.diffusion.philox import random_words
from woundgen.diffusion.randomness import epoch_order, normal, position_seed
from woundgen.training.noising import HOST_STREAM


def start_generators(seed: int, step: int) -> None:
    """Set them for what comes after `step`, whatever has drawn from them before."""
    start = position_seed(seed, "global generators", step)
    torch.manual_seed(start)
    np.random.seed(start % 2**32)  # noqa: NPY002 - the global one is what is meant
    random.seed(start)


def generator_states() -> dict[str, Tensor]:
    """torch: uint8 [5056]; numpy, python: int64 [625], the state words and the position. CUDA's where it is used."""
    numpy_state: Any = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    states = {
        "torch": torch.get_rng_state(),
        "numpy": torch.tensor([*numpy_state["key"].tolist(), numpy_state["pos"]]),
        "python": torch.tensor(random.getstate()[1]),
    }
    if torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["torch"])
    *words, position = states["numpy"].tolist()
    np.random.set_state(("MT19937", np.array(words, np.uint32), position, 0, 0.0))  # noqa: NPY002
    random.setstate((3, tuple(states["python"].tolist()), None))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def draws_digest(seed: int, step: int, *, noise_stream: int = HOST_STREAM) -> str:
    """SHA-256 of what is drawn at `step`, of each kind. Another library may draw other numbers from one seed."""
    parts = (
        _noise_bytes(seed, step, noise_stream),
        random_bytes(torch.tensor([position_seed(seed, "adapter dropout", step, 0)]), 64).numpy().tobytes(),
        bytes(epoch_order(seed, step, 100)),
    )
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _noise_bytes(seed: int, step: int, noise_stream: int) -> bytes:
    """Of stream 2 the whole numbers: they are equal on every device, the normals made of them to rounding."""
    if noise_stream == HOST_STREAM:
        return normal((64,), seed, "noise", step, [0]).numpy().tobytes()
    words = random_words(64, seed=seed, stream="noise", step=torch.tensor(step), slots=torch.tensor([0]))
    return words.numpy().tobytes()
