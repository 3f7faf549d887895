"""Arrays that were computed once and are kept: read where they are whole, computed again where they are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from woundgen.storage.files import write_bytes

Array = TypeVar("Array", bound=NDArray[Any])


def read_array(path: Path) -> NDArray[Any] | None:
    """The array in a .npy file; None where there is no such file, or it is cut short, or another program's."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if isinstance(array, np.ndarray) else None


def write_array(path: Path, array: NDArray[Any], *, private: bool = False) -> None:
    """Write a .npy file so that a kill leaves the old or the new. private: nobody else may read it."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue(), private=private)


def keep_array(path: Path, make: Callable[[], Array], *, private: bool = False) -> Array:
    """Read the array at `path`, or make it and write it there."""
    array = read_array(path)
    if array is None:
        array = make()
        write_array(path, array, private=private)
    return array  # type: ignore[return-value]
