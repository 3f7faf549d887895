"""Write files so that a crash leaves the old content or the new; read JSON; digests of files."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from woundgen.errors import UserError


def fsync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` so that a crash leaves the old content or the new, never a mixture."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", "Is this the folder of a woundgen run?") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not readable JSON ({error}).", "Restore it or start a new run.") from None


def keep_beside(path: Path) -> Path | None:
    """Move an existing file to the first free name NAME.1.SUFFIX, NAME.2.SUFFIX ... beside it; None where none is."""
    if not path.exists():
        return None
    numbers = itertools.count(1)
    place = next(p for number in numbers if not (p := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists())
    path.rename(place)
    fsync_directory(path.parent)
    return place


def append_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("a") as handle:
        handle.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a log; a last line cut short by a kill is left out."""
    if not path.exists():
        return
    with path.open() as handle:
        for line in handle:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


@contextmanager
def disk_errors_as_user_errors(folder: Path) -> Iterator[None]:
    """Turn errors of a full or unwritable disk, while `folder` is filled, into a UserError.

    Also a file elsewhere that cannot be read: nothing is written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM) and _is_elsewhere(error.filename, folder):
            raise UserError(
                f"{error.filename} could not be read ({error.strerror}).",
                "Mend its rights and run the same command again; what was saved is whole.",
            ) from None
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise UserError(
            f"{error.filename or folder} could not be written ({error.strerror}).",
            "Free space or mend the folder's rights and run the same command again; what was saved is whole.",
        ) from None


def _is_elsewhere(file: object, folder: Path) -> bool:
    return isinstance(file, str | os.PathLike) and not Path(file).absolute().is_relative_to(folder.absolute())


def sha256_file(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
