"""Prepared pixels on disk, keyed by what decided them. Private: they are patients' photographs, so they can be listed
and purged, all of them or those of some photographs."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from woundgen.errors import UserError
from woundgen.storage.ownership import make_private

SUFFIX = ".rgb"
_DIGITS = 32  # of each SHA-256 in a file's name
_OURS = re.compile(rf"\.?[0-9a-z]{{1,32}}-[0-9a-z]{{1,32}}{re.escape(SUFFIX)}(\..*)?")
_DIGEST = 32  # bytes of the SHA-256 behind the pixels


@dataclass(frozen=True, slots=True)
class PixelCache:
    """A folder of raw uint8 images, each followed by its SHA-256.

    The digest stands in for an fsync and a renaming of each image: an entry torn by a crash is no entry.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> PixelCache:
        """Make the folder, or take it over, with mode 0700. Raises UserError where that cannot be."""
        try:
            if folder.is_dir() and any(not _OURS.fullmatch(path.name) for path in folder.iterdir()):
                raise UserError(
                    f"{folder} cannot serve as cache: it holds other files, and would be closed to others.",
                    "Name an empty folder in WOUNDGEN_PREPARED.",
                )
            make_private(folder)
        except OSError as error:
            raise UserError(f"{folder} cannot serve as cache ({error.strerror}).", "Choose another folder.") from None
        return cls(folder)

    def get(self, photograph: str, settings: str, *, shape: tuple[int, ...]) -> np.ndarray | None:
        """photograph, settings: SHA-256 of the file, and of how it was prepared."""
        try:
            with self._entry(photograph, settings).open("rb", buffering=0) as handle:
                content = handle.read()
        except FileNotFoundError:
            return None
        pixels, digest = content[:-_DIGEST], content[-_DIGEST:]
        if hashlib.sha256(pixels).digest() != digest:
            return None
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    def put(self, photograph: str, settings: str, pixels: np.ndarray) -> None:
        """Raises OSError, and leaves nothing, where the disk has no room."""
        raw = np.ascontiguousarray(pixels).data.cast("B")
        entry = self._entry(photograph, settings)
        try:
            with entry.open("wb", buffering=0) as handle:
                written = os.writev(handle.fileno(), (raw, hashlib.sha256(raw).digest()))
            if written < len(raw) + _DIGEST:
                raise OSError(errno.ENOSPC, "written in part", str(entry))
        except OSError:
            entry.unlink(missing_ok=True)
            raise

    def entries(self, photographs: Iterable[str] | None = None) -> list[Path]:
        """Files of the cache, what a kill left unfinished included; of these photographs (SHA-256), or all."""
        if not self.folder.is_dir():
            return []
        wanted = None if photographs is None else {digest[:_DIGITS] for digest in photographs}
        names = sorted(path for path in self.folder.iterdir() if _OURS.fullmatch(path.name))
        return [path for path in names if wanted is None or path.name.lstrip(".")[:_DIGITS] in wanted]

    def purge(self, photographs: Iterable[str] | None = None) -> int:
        """Remove `entries`; how many. Nothing else in the folder is touched."""
        found = self.entries(photographs)
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def _entry(self, photograph: str, settings: str) -> Path:
        return self.folder / f"{photograph[:_DIGITS]}-{settings[:_DIGITS]}{SUFFIX}"
