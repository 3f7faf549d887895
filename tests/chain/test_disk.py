"""Disks that are full, damaged or may not be written: one line, exit code 2, nothing lost but the save in flight."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file

from woundgen.cli import run
from woundgen.storage import retention
from woundgen.storage.checkpoint import newest_sound
from woundgen.storage.names import EVAL_LOG, STATE_JSON, STATE_TENSORS, TRAIN_LOG

from .conftest import Workshop, contents

NOBODY = 65534


def results(out: Path) -> dict[str, bytes]:
    return contents(out / "checkpoints") | {name: (out / name).read_bytes() for name in (TRAIN_LOG, EVAL_LOG)}


def newest(out: Path) -> Path:
    newest = newest_sound(out / "checkpoints")
    assert not newest.faults
    found = newest.folder
    assert found is not None
    return found


@contextmanager
def full_from(save: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From the given save on, no file grows beyond 20 kB (Python turns the signal into an error)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    write, saves = retention.write_checkpoint, [0]

    def counted(*arguments: object, **named: object) -> Path:
        saves[0] += 1
        if saves[0] == save:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        return write(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(retention, "write_checkpoint", counted)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up(
    trained: Path,
    workshop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the third save. The first two stand; with space again, the same command ends with the bytes of `trained`."""
    out = tmp_path / "run"
    with full_from(3, monkeypatch):
        assert run(workshop.train(out)) == 2
    said = capsys.readouterr().err
    assert "could not be written" in said
    assert "Free space" in said
    assert "Traceback" not in said
    assert newest(out).name == sorted(path.name for path in (trained / "checkpoints").glob("epoch_*"))[1]
    assert run(workshop.train(out)) == 0
    assert results(out) == results(trained)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("spoil", "name"), [(flip, STATE_TENSORS), (truncate, STATE_JSON), (Path.unlink, "manifest.json")]
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(
    spoil: Callable[[Path], None],
    name: str,
    trained: Path,
    workshop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = Path(shutil.copytree(trained, tmp_path / "run"))
    damaged = newest(out)
    spoil(damaged / name)
    assert run(workshop.train(out)) == 0
    said = capsys.readouterr().out
    assert f"{damaged / name} " in said
    assert "passed over, the one before it is tried" in said
    assert "going on from epoch_" in said
    assert results(out) == results(trained)


def test_a_checkpoint_is_little_more_than_its_tensors(workshop: Workshop, tmp_path: Path) -> None:
    """Digests, settings, generators, histories and notes: a tenth at most, though the model is a toy."""
    out = tmp_path / "run"
    once = ("max_steps=1", "training_method=full", "sample_images=0")
    assert run(workshop.train(out, *(word for one in once for word in ("--set", one)))) == 0
    files = [path for path in newest(out).rglob("*") if path.is_file()]
    tensors = [tensor for path in files if path.suffix == ".safetensors" for tensor in load_file(path).values()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert size > 500_000
    assert sum(path.stat().st_size for path in files) <= 1.1 * size


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of the administrator, who may write anywhere."""
    administrator = os.geteuid() == 0
    if administrator:
        os.seteuid(NOBODY)
    try:
        if not os.access(pytest.__file__, os.R_OK, effective_ids=True):
            pytest.skip("run by an administrator from an environment that nobody else may read")
        yield
    finally:
        if administrator:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where anyone may read; pytest's own folders are the owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("begun", [False, True])
def test_a_folder_that_may_not_be_written(
    begun: bool, trained: Path, workshop: Workshop, open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start, and where a run lies in it already."""
    photographs = Path(shutil.copytree(workshop.photographs, open_folder / "photographs"))
    base = Path(shutil.copytree(workshop.base, open_folder / "base"))
    config = Path(shutil.copy(workshop.config, open_folder / "config.yaml"))
    once = ("--set", f"base_model={base}", "--set", "max_steps=1", "--set", "sample_images=0")
    words = workshop.train(open_folder / "run", *once, data=photographs, config=config)
    if begun:
        assert run(words) == 0
    for path in open_folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(open_folder)
    capsys.readouterr()
    with as_nobody():
        assert run(words) == 2
    said = capsys.readouterr().err
    assert str(open_folder / "run") in said
    assert "Permission denied" in said
    assert len(said.splitlines()) == 1
    assert contents(open_folder) == before
