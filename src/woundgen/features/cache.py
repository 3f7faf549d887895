"""What was computed of images once, kept by the content of the images and the digest of the network."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from woundgen.features.extractor import Images
from woundgen.storage.files import write_bytes
from woundgen.storage.ownership import make_private

Array = TypeVar("Array", bound=NDArray[Any])


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
        path = None if self.folder is None else self.folder / f"{key}.npz"
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as content:
                return np.asarray(content["values"])
        except (OSError, ValueError, KeyError, BadZipFile):
            return None  # cut short, or another program's: made again

    def _write(self, key: str, values: NDArray[Any]) -> None:
        if self.folder is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, values=values)
        try:
            make_private(self.folder)
            write_bytes(self.folder / f"{key}.npz", buffer.getvalue(), private=True)
        except OSError:
            pass  # a run that may only be read can be measured all the same


def content_digest(images: Images) -> str:
    """SHA-256 of shape and pixels."""
    state = hashlib.sha256(repr(images.shape).encode())
    state.update(np.ascontiguousarray(images).data)
    return state.hexdigest()
