"""Write files so that a crash leaves the old content or the new; read JSON; digests of files."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.content_digest import CONTENT_DIGEST, add_digest, check_digest
from woundgen.storage.schemas import check_object, check_row
from woundgen.storage.special_files import refuse_special_file
from woundgen.storage.strict_json import parse_strictly

UNFINISHED = ".tmp"
LARGEST_JSON = 64 << 20
DEEPEST = 100  # levels of brackets; ours have fewer than ten
OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG,
    errno.ELOOP, errno.ENOTDIR,
)  # fmt: skip
_BRACKET = re.compile(r"[\[\]{}]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def fsync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace `path` so that a crash leaves the old content or the new, never a mixture.

    private: mode 0600 from its first byte on, the unfinished file's too. A file that is there keeps its mode.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    try:
        with open(temporary, "wb", opener=_private_opener if private else None) as handle:
            if mode is not None and not private:
                os.fchmod(handle.fileno(), mode)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


def _private_opener(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def sweep_unfinished(folder: Path, *, below: bool = False) -> None:
    """Remove what killed processes have left half written in `folder`; files of living ones stay.

    below: in the folders in it, too.
    """
    for path in (folder.rglob if below else folder.glob)(f".*{UNFINISHED}"):
        owner = re.fullmatch(r"\..+?\.(\d+)(\.\d+)?\.tmp", path.name)
        if owner and path.is_file() and not _is_running(int(owner[1])):
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return process != os.getpid()


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """As write_bytes; removes what kills have left half written beside `path`, too."""
    write_bytes(path, text.encode(), private=private)
    sweep_unfinished(path.parent)


def write_json(path: Path, content: Any, *, private: bool = False) -> None:
    """Write indented JSON, as write_text. The digest of its content, where it carries one, is computed anew."""
    if isinstance(content, dict) and CONTENT_DIGEST in content:
        content = add_digest(content)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # a file name that is not UTF-8
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_text(path, text, private=private)


def read_json(path: Path) -> Any:
    """Read a JSON file of bounded size and depth; UserError that names the file for anything else.

    Also where it carries the digest of another content.
    """
    refuse_special_file(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(LARGEST_JSON + 1)
        parsed = parse_json(content, name=str(path))
        check_digest(parsed, name=str(path))
        check_object(parsed, file=path.name, name=str(path))
        return parsed
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", "Is this the folder of a woundgen run?") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder.", "Name the file in it.") from None


def parse_json(content: bytes, *, name: str) -> Any:
    """Parse JSON from outside: at most LARGEST_JSON bytes, DEEPEST levels, finite numbers. UserError about `name`."""
    if len(content) > LARGEST_JSON:
        raise UserError(f"{name} is larger than {LARGEST_JSON >> 20} MB.", "Restore it or start a new run.")
    try:
        text = content.decode()
        _check_depth(text)
        return parse_strictly(text)
    except (ValueError, RecursionError) as error:  # JSON's and Unicode's errors, and numbers of too many digits
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"{name} is not readable JSON ({reason}).", "Restore it or start a new run.") from None


def _check_depth(text: str) -> None:
    """Raise ValueError where brackets outside strings are nested deeper than DEEPEST."""
    depth = deepest = 0
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += (bracket in "[{") - (bracket in "]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")


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
    """Rows of a log; a last line cut short by a kill is left out.

    UserError for a row against its schema, and for a damaged row that others follow: it would hide them.
    """
    if not path.exists():
        return
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                row = parse_strictly(line)
            except (ValueError, RecursionError):
                if handle.read(1):
                    raise UserError(f"{path}: line {number} is damaged, and others follow it.", "Restore it.") from None
                return
            check_row(row, file=path.name, name=f"{path}, row {number}")
            yield row


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
        found = disk_error(error, folder)
        if found is None:
            raise
        raise found from None


def disk_error(error: OSError, folder: Path | None = None) -> UserError | None:
    """A disk that is full, may not be written or cannot hold a name, for the user; None for any other OSError."""
    if error.errno not in OF_THE_DISK:
        return None
    place = error.filename or folder
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR):
        return UserError(f"{shorten(str(place))} cannot be a file ({error.strerror}).", "Choose another path.")
    where = f"{shorten(str(place))} could not be written" if place else "A file could not be read or written"
    return UserError(
        f"{where} ({error.strerror}).",
        "Free space or mend the folder's rights and run the same command again; what was saved is whole.",
    )


@contextmanager
def stored_values(place: Path) -> Iterator[None]:
    """Turn what a value of the wrong kind raises, while what `place` holds is read, into a UserError that names it."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {shorten(str(error), 100)}"
        raise UserError(f"{place} does not hold what was written there ({what}).", "Restore it.") from None


def shorten(text: str, limit: int = 200) -> str:
    """The text, or its beginning and end where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 4 :]} ({len(text)} characters)"


def _is_elsewhere(file: object, folder: Path) -> bool:
    return isinstance(file, str | os.PathLike) and not Path(file).absolute().is_relative_to(folder.absolute())


def sha256_file(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
