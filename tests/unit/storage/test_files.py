"""Files that are old or new and never a mixture, and folders that belong to one job."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from woundgen.errors import UserError
from woundgen.storage.files import (
    append_jsonl,
    disk_errors_as_user_errors,
    read_json,
    read_jsonl,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_text,
)
from woundgen.storage.names import checkpoint_name
from woundgen.storage.ownership import claim_output, make_private


def claim(folder: Path, *, identity: str = "mine") -> bool:
    return claim_output(folder, identity=identity, what="run")


def test_bytes_are_synced_before_they_take_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the new file, replace, fsync of the folder."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        seen.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        seen.append(f"{path.name} -> {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_bytes(tmp_path / "a", b"new")
    temporary = f".a.{os.getpid()}.tmp"
    assert seen == [f"fsync {temporary}", f"{temporary} -> a", f"fsync {tmp_path.name}"]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_content(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a", "old")

    def failing(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[fails], failing)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_json_there_and_back(tmp_path: Path) -> None:
    content = {"value": 0.1 + 0.2, "text": "Füße", "rows": [1, None, True]}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content


def test_json_holds_numbers_only(tmp_path: Path) -> None:
    """NaN is not JSON: other readers refuse the file."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_json_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not readable JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json does not exist"):
        read_json(tmp_path / "b.json")


def test_a_log_cut_short_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert list(read_jsonl(path)) == []
    append_jsonl(path, [{"step": 1}, {"step": 2}])
    append_jsonl(path, [{"step": 3}])
    with path.open("a") as handle:
        handle.write('{"step": 4, "lo')
    assert [row["step"] for row in read_jsonl(path)] == [1, 2, 3]


def test_digests(tmp_path: Path) -> None:
    """Of a file as sha256sum prints it; of JSON whatever the order of its keys."""
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert sha256_json({"a": 1, "b": [2]}) == sha256_json({"b": [2], "a": 1})
    assert sha256_json({"a": 1}) != sha256_json({"a": 2})


def test_names_sort_as_the_run_went() -> None:
    places = [(0, 9), (0, 10), (2, 100), (10, 101)]
    names = [checkpoint_name(epoch, step) for epoch, step in places]
    assert sorted(names) == names
    assert names[0] == "epoch_0000_step_000009"


def test_a_new_folder_is_claimed_once(tmp_path: Path) -> None:
    """False the first time, True when the same job comes again, and its files stay."""
    folder = tmp_path / "runs" / "new"
    assert claim(folder) is False
    (folder / "work").write_text("x")
    assert claim(folder) is True
    assert (folder / "work").read_text() == "x"


def test_an_empty_folder_may_be_taken(tmp_path: Path) -> None:
    assert claim(tmp_path) is False


def test_a_kill_while_claiming_does_not_lock_the_user_out(tmp_path: Path) -> None:
    (tmp_path / ".woundgen.json.123.tmp").write_text("{")
    assert claim(tmp_path) is False


def _other_job(folder: Path) -> None:
    claim(folder, identity="other")


def _other_files(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.docx").write_text("x")


def _a_file(folder: Path) -> None:
    folder.write_text("x")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [(_other_job, "holds another run"), (_other_files, "holds other files"), (_a_file, "is not a folder")],
)
def test_what_belongs_to_others_is_left_alone(prepare: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    prepare(folder)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=words) as caught:
        claim(folder)
    assert str(folder) in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        claim(tmp_path / "file" / "out")


def test_a_refused_read_is_not_called_a_write(tmp_path: Path) -> None:
    """Only what lies in the folder is written; a photograph or a base beside it is read."""

    def refused(path: Path, number: int) -> str:
        with pytest.raises(UserError) as caught, disk_errors_as_user_errors(tmp_path / "run"):
            raise OSError(number, os.strerror(number), str(path))
        return str(caught.value)

    assert "a.png could not be read (Permission denied)" in refused(tmp_path / "data" / "a.png", errno.EACCES)
    assert "state.json could not be written (Perm" in refused(tmp_path / "run" / "state.json", errno.EACCES)
    assert "could not be written (No space" in refused(tmp_path / "elsewhere", errno.ENOSPC)


def test_writing_text_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    """Of dead processes alone: a living one may be writing beside this one."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, alive = tmp_path / f".metrics.json.{process.pid}.tmp", tmp_path / f".metrics.json.{os.getppid()}.tmp"
    for path in (dead, alive):
        path.write_text("half")
    write_json(tmp_path / "metrics.json", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, "metrics.json"])
    dead.write_text("half")
    make_private(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, "metrics.json"])
