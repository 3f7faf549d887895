"""Paths that stay inside the folders the user named."""

from __future__ import annotations

from collections.abc import Sequence
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
