"""Encodings of photographs in a folder that several runs share, so that the same are made once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor

from woundgen.storage.files import write_bytes
from woundgen.workflows.train.session import TrainingSession

Encoded = tuple[Tensor, Tensor]


def encode_once(
    session: TrainingSession, images: NDArray[np.uint8], encode: Callable[[], Encoded], *, what: str
) -> Encoded:
    """Return posterior mean and deviation from the session's shared folder; where it lacks them, encode and keep them.

    what: decides the encodings in addition to base, device and images, such as variations and their seed. A session
    without such a folder encodes. Any number of processes may do so at once: they write the same bytes.
    """
    folder = session.request.encodings
    if folder is None:
        return encode()
    state = hashlib.sha256(f"{session.base.digest}/{session.device.type}/{what}/{images.shape}/".encode())
    state.update(np.ascontiguousarray(images).tobytes())
    path = folder / f"{state.hexdigest()[:32]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mean, deviation = encode()
        content = {"mean": mean.contiguous(), "deviation": deviation.contiguous()}
        write_bytes(path, save(content), private=True)
    tensors = load_file(path)
    return tensors["mean"], tensors["deviation"]
