"""Prepared pixels on disk, keyed by what decided them. Private: they are patients' photographs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from woundgen.errors import UserError
from woundgen.rundir import make_private

SUFFIX = ".rgb"


@dataclass(frozen=True, slots=True)
class PixelCache:
    """A folder of raw uint8 images, each followed by its SHA-256.

    The digest stands in for an fsync per image: an entry torn by a crash is no entry.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> PixelCache:
        """Make the folder, or take it over, with mode 0700. Raises UserError where that cannot be."""
        try:
            make_private(folder)
        except OSError as error:
            raise UserError(f"{folder} cannot serve as cache ({error.strerror}).", "Choose another folder.") from None
        return cls(folder)

    def get(self, key: str, *, shape: tuple[int, ...]) -> np.ndarray | None:
        try:
            content = self._entry(key).read_bytes()
        except FileNotFoundError:
            return None
        pixels, digest = content[:-32], content[-32:]
        if hashlib.sha256(pixels).digest() != digest:
            return None
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    def put(self, key: str, pixels: np.ndarray) -> None:
        raw = np.ascontiguousarray(pixels).tobytes()
        temporary = self.folder / f".{key}.{os.getpid()}.tmp"
        try:
            temporary.write_bytes(raw + hashlib.sha256(raw).digest())
            temporary.replace(self._entry(key))
        finally:
            temporary.unlink(missing_ok=True)

    def _entry(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"
