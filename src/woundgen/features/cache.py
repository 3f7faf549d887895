"""Cache of values computed from images, keyed by the content of the images and the digest of the network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.features.extractor import Images
from woundgen.storage.arrays import Array, read_array, write_array
from woundgen.storage.ownership import make_private


@dataclass(frozen=True, slots=True)
class Cache:
    """In memory, and in `folder` too where one is given. Features of photographs belong where those may be.

    only: content digests; what was computed of any other set is not kept. None keeps everything.
    """

    folder: Path | None = None
    only: frozenset[str] | None = None
    held: dict[str, NDArray[Any]] = field(default_factory=dict)

    def array(self, what: str, digest: str, sets: Sequence[Images], make: Callable[[], Array]) -> Array:
        """`make()`, or what it gave for the same `what`, network digest and images before."""
        digests = [content_digest(images) for images in sets]
        if self.only is not None and not self.only.issuperset(digests):
            return make()
        key = hashlib.sha256("/".join((what, digest, *digests)).encode()).hexdigest()
        if key not in self.held:
            found = self._read(key)
            if found is None:
                found = make()
                self._write(key, found)
            self.held[key] = found
        return self.held[key]  # type: ignore[return-value]

    def _read(self, key: str) -> NDArray[Any] | None:
        return None if self.folder is None else read_array(self.folder / f"{key}.npy")

    def _write(self, key: str, values: NDArray[Any]) -> None:
        if self.folder is None:
            return
        try:
            make_private(self.folder)
            write_array(self.folder / f"{key}.npy", values, private=True)
        except OSError:
            pass  # a run that may only be read can be measured all the same


def content_digest(images: Images) -> str:
    """SHA-256 of shape and pixels."""
    state = hashlib.sha256(repr(images.shape).encode())
    state.update(np.ascontiguousarray(images).data)
    return state.hexdigest()
