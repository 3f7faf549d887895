"""Write safetensors files so that a crash leaves the old file or the new, and equal tensors are equal files."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from woundgen.storage.files import UNFINISHED, fsync_directory, sweep_unfinished


def save_tensors(tensors: Mapping[str, Tensor], path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Replace `path`, metadata in alphabetical order; what kills have left half written beside it goes.

    OSError where the disk is full or may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with tensor_errors_as_os_errors(path):
            save_file(dict(tensors), temporary, metadata=None if metadata is None else dict(metadata))
        if metadata:
            _sort_metadata(temporary)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)
    sweep_unfinished(path.parent)


@contextmanager
def tensor_errors_as_os_errors(place: Path) -> Iterator[None]:
    """Turn what safetensors raises while it writes into `place` into an OSError: its only causes are the disk's."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(place)) from None


def _sort_metadata(path: Path) -> None:
    """Put the header's metadata in order: safetensors writes it in the order of a hash table."""
    with path.open("r+b") as handle:
        length = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:  # as long as it was, unless another version of safetensors escapes more
            handle.seek(8)
            handle.write(text.ljust(length))
