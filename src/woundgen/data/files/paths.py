"""Paths that stay inside the folders the user named."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from woundgen.errors import Code, UserError


def resolve_inside(path: Path, *, roots: Sequence[Path]) -> Path:
    """The real regular file behind `path`, all links followed, if it lies inside one of `roots`.

    Raises UserError where it does not exist, leaves the roots (by .. or by a link), or is no regular file.
    """
    if "\0" in str(path):
        raise UserError(f"{str(path)!r} holds a NUL character.", "Give a plain file name.")
    try:
        file = path.resolve(strict=True)
        outside = not any(file.is_relative_to(root.resolve()) for root in roots)
        regular = file.is_file()
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist.", "Check the name, or remove what refers to it.", code=Code.MISSING_FILE
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # no permission, a loop of links, an overlong name
        raise UserError(f"{path} cannot be reached ({error}).", "Check the file and its folder.") from None
    if outside:
        allowed = ", ".join(str(root) for root in roots) or "any allowed folder"
        raise UserError(f"{path} leads outside {allowed}.", "Copy the file into that folder.")
    if not regular:
        raise UserError(f"{path} is not a file.", "Give the name of an image file.")
    return file


def relative_name(name: str) -> PurePosixPath:
    """A file name of a table as a relative path without steps upwards.

    Absolute names, .., NUL, backslashes and drive letters raise UserError on every system, so that a table
    means the same everywhere.
    """
    windows = PureWindowsPath(name)
    path = PurePosixPath(name)
    if not path.parts or "\0" in name:
        raise UserError(f"file name {name!r} is empty or holds NUL.")
    if path.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        raise UserError(f"file name {name!r} leaves the folder.")
    if "\\" in name:
        raise UserError(f"file name {name!r} holds a backslash (write folder/name.png).")
    return path


def find_below(root: Path, name: PurePosixPath) -> Path:
    """Return the path below `root`, spelled as on the disk where a single entry has that name by another spelling.

    Other spellings: case, which Windows and macOS ignore, and composed or decomposed accents (Unicode NFC,
    NFD: macOS). Where there is none, or several, root / name.
    """
    place = root
    try:
        for part in name.parts:
            exact = place / part
            spellings = () if exact.exists() else _spellings(place, folder_changed=place.stat().st_mtime_ns)
            alike = [spelled for spelled in spellings if _folded(spelled) == _folded(part)]
            place = place / alike[0] if len(alike) == 1 else exact
    except OSError:  # no folder, no permission, an overlong name: resolve_inside says which
        return root / name
    return place


@lru_cache(maxsize=16)
def _spellings(folder: Path, *, folder_changed: int) -> Sequence[str]:
    """Names in a folder; a folder that changed is read again."""
    return [entry.name for entry in folder.iterdir()]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
