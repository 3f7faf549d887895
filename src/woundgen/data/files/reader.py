"""Many photographs of few folders read safely: a folder is resolved and opened once, not once a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from woundgen.data.files.images import MAXIMUM_BYTES, read_file

_PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # no link, and no waiting for a pipe's other end


class Reader:
    """Gives what `read_file` gives, with the same errors, in a third of the time. Holds folders open until it is left.

    A file is opened below the folder that lies inside the roots, as was checked, without following a link: nothing
    can change between looking and opening. Links and whatever is unusual take `read_file`'s way.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._folders: dict[str, int | None] = {}
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    def read(self, path: str) -> bytes:
        """Raises UserError as `read_file` does."""
        content = self._plain_file(path)
        return read_file(Path(path), roots=self._roots) if content is None else content

    def _plain_file(self, path: str) -> bytes | None:
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = self._open_folder(folder)
        within = self._folders[folder]
        if within is None:
            return None
        try:
            descriptor = os.open(name, _PLAIN, dir_fd=within)
        except (OSError, ValueError):  # ValueError: NUL in the name
            return None
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAXIMUM_BYTES:
                return None
            content = os.read(descriptor, facts.st_size)
            return content if len(content) == facts.st_size else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _open_folder(self, folder: str) -> int | None:
        """A descriptor of the folder, links followed, where it lies inside the roots."""
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except (OSError, ValueError):
            return None
        self._opened.callback(os.close, descriptor)
        try:
            real = Path(folder).resolve(strict=True)
            same = os.path.samestat(real.stat(), os.fstat(descriptor))
        except (OSError, RuntimeError):
            return None
        return descriptor if same and any(real.is_relative_to(root) for root in self._roots) else None
