"""Checkpoints that survive a crash at any write, and readers that trust only what verifies."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from woundgen.errors import UserError
from woundgen.storage import checkpoint as module
from woundgen.storage.checkpoint import (
    RESUMING_ONLY,
    all_checkpoints,
    clear_left_overs,
    fault,
    newest_sound,
    pointer,
    read_checkpoint,
    set_pointer,
    write_checkpoint,
)
from woundgen.storage.files import read_json
from woundgen.storage.names import BEST, LATEST, MANIFEST, STATE_JSON, STATE_TENSORS
from woundgen.storage.retention import prune, save_last_state

ADAPTER = Path("raw") / "adapter.bin"
NAMES = [f"epoch_0000_step_{step:06d}" for step in range(1, 6)]


def tensors_of(step: int) -> dict[str, Tensor]:
    return {"values": torch.arange(1000.0) + step, "optimizer.0.step": torch.tensor(float(step))}


def export(folder: Path) -> None:
    (folder / "raw").mkdir()
    (folder / ADAPTER).write_bytes(b"adapter" * 100)


def save(root: Path, step: int) -> Path:
    """As a run saves: the checkpoint, then the pointer."""
    name = NAMES[step - 1]
    folder = write_checkpoint(root, name, state={"step": step}, tensors=tensors_of(step), export=export)
    set_pointer(root, LATEST, name)
    return folder


def flip(path: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_written_and_read_again(tmp_path: Path) -> None:
    folder = save(tmp_path, 3)
    found = read_checkpoint(folder)
    assert found.state == {"step": 3}
    assert found.tensors.keys() == tensors_of(3).keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors_of(3).items())
    assert pointer(tmp_path, LATEST) == folder.name
    assert pointer(tmp_path, BEST) is None


def test_the_manifest_lists_every_file(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(read_json(folder / MANIFEST)["sha256"]) == files - {MANIFEST}
    assert files == {MANIFEST, STATE_JSON, STATE_TENSORS, str(ADAPTER)}


@pytest.mark.parametrize("spoil", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", [STATE_TENSORS, STATE_JSON, str(ADAPTER), MANIFEST])
def test_a_damaged_file_is_named(spoil: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    assert fault(folder) is None
    spoil(folder / name)
    problem = fault(folder)
    assert problem is not None
    assert str(folder / name) in problem or (name == MANIFEST and str(folder) in problem)
    with pytest.raises(UserError):
        read_checkpoint(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 3}', "\xff"])
def test_a_manifest_of_another_shape(content: str, tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    (folder / MANIFEST).write_text(content, encoding="latin-1")
    assert fault(folder) == f"{folder / MANIFEST} is damaged"


def test_a_manifest_with_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    (folder / MANIFEST).write_text(json.dumps({"sha256": {300 * "a": "0"}}))
    assert "cannot be read" in str(fault(folder))


def test_the_newest_sound_one_serves_and_the_damaged_are_named(tmp_path: Path) -> None:
    first, second, third = (save(tmp_path, step) for step in (1, 2, 3))
    flip(third / STATE_TENSORS)
    (second / STATE_JSON).unlink()
    newest = newest_sound(tmp_path)
    assert newest.folder == first
    assert len(newest.faults) == 2
    assert str(third / STATE_TENSORS) in newest.faults[0]
    assert str(second / STATE_JSON) in newest.faults[1]


def test_order_beyond_the_padding_of_the_names(tmp_path: Path) -> None:
    """A small set sees ten thousand epochs."""
    names = ["epoch_9999_step_002500", "epoch_10000_step_002501", "epoch_10001_step_1000000"]
    for name in names:
        write_checkpoint(tmp_path, name, state={"step": name}, tensors=tensors_of(1))
        set_pointer(tmp_path, LATEST, name)
        newest = newest_sound(tmp_path).folder
        assert newest is not None
        assert newest.name == name
    assert [path.name for path in all_checkpoints(tmp_path)] == names


def test_nothing_sound(tmp_path: Path) -> None:
    assert newest_sound(tmp_path / "none").folder is None
    flip(save(tmp_path, 1) / STATE_JSON)
    assert newest_sound(tmp_path).folder is None


def test_a_checkpoint_whose_pointer_was_never_written_waits(tmp_path: Path) -> None:
    """A kill between the rename and the pointer: the run goes on from the pointer, and writes it again."""
    first = save(tmp_path, 1)
    write_checkpoint(tmp_path, NAMES[1], state={"step": 2}, tensors=tensors_of(2))
    assert newest_sound(tmp_path).folder == first


def test_a_pointer_to_nothing_does_not_hide_what_is_there(tmp_path: Path) -> None:
    first, second = save(tmp_path, 1), save(tmp_path, 2)
    shutil.rmtree(second)
    assert newest_sound(tmp_path).folder == first


def whole(root: Path) -> list[str]:
    """Names of the checkpoints one can resume from."""
    names = []
    for folder in all_checkpoints(root):
        assert fault(folder) is None, "trimming left a checkpoint unsound"
        assert (folder / ADAPTER).is_file(), "adapters are all kept"
        if (folder / STATE_TENSORS).is_file():
            names.append(folder.name)
    return names


def test_pruning_keeps_the_last_the_best_and_every_adapter(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        save(tmp_path, step)
    prune(tmp_path, keep_last=2, protect=[NAMES[1]], trim=[STATE_TENSORS])
    assert whole(tmp_path) == [NAMES[1], NAMES[3], NAMES[4]]
    prune(tmp_path, keep_last=2, protect=[NAMES[1]], trim=[STATE_TENSORS])
    assert whole(tmp_path) == [NAMES[1], NAMES[3], NAMES[4]]


def test_pruning_never_takes_the_last_sound_one(tmp_path: Path) -> None:
    """The newer ones were spoilt on disk after they were written."""
    first, second, third = (save(tmp_path, step) for step in (1, 2, 3))
    flip(second / STATE_TENSORS)
    flip(third / STATE_TENSORS)
    prune(tmp_path, keep_last=1, protect=[], trim=[STATE_TENSORS])
    assert newest_sound(tmp_path).folder == first
    assert read_checkpoint(first).state == {"step": 1}


def test_pruning_after_going_back(tmp_path: Path) -> None:
    """--resume best: what is written next sorts before the checkpoints of the branch that was left."""
    for step in (1, 3, 4, 5):
        save(tmp_path, step)
    second = save(tmp_path, 2)
    prune(tmp_path, keep_last=1, protect=[], trim=[STATE_TENSORS])
    assert newest_sound(tmp_path).folder == second


def test_what_was_written_for_resuming_only_goes_altogether(tmp_path: Path) -> None:
    """By the clock or a signal: once it is old, unless it is the best or the last that is sound."""
    for name in NAMES[:3]:
        write_checkpoint(tmp_path, name, state={RESUMING_ONLY: True}, tensors=tensors_of(1), export=export)
    save(tmp_path, 4)
    prune(tmp_path, keep_last=3, protect=[], trim=[STATE_TENSORS])
    assert [folder.name for folder in all_checkpoints(tmp_path)] == NAMES[1:4]
    save(tmp_path, 5)
    prune(tmp_path, keep_last=1, protect=[NAMES[1]], trim=[STATE_TENSORS], written=NAMES[4])
    assert [folder.name for folder in all_checkpoints(tmp_path)] == [NAMES[1], NAMES[3], NAMES[4]]
    assert whole(tmp_path) == [NAMES[1], NAMES[4]]
    flip(tmp_path / NAMES[3] / ADAPTER)
    flip(tmp_path / NAMES[4] / ADAPTER)
    prune(tmp_path, keep_last=1, protect=[], trim=[STATE_TENSORS])
    assert newest_sound(tmp_path).folder == tmp_path / NAMES[1]


def test_left_overs_of_kills_are_cleared(tmp_path: Path) -> None:
    folder = save(tmp_path / "checkpoints", 1)
    for name in (".epoch.writing", ".epoch.dropped"):
        (tmp_path / "checkpoints" / name).mkdir()
        (tmp_path / "checkpoints" / name / ".manifest.json.7.tmp").touch()
    left = [tmp_path / ".run.json.7.tmp", tmp_path / "checkpoints" / ".latest.7.tmp", folder / ".manifest.json.7.tmp"]
    for path in (*left, tmp_path / ".woundgen.json"):
        path.touch()
    clear_left_overs(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob(".*")) == [".woundgen.json"]
    assert fault(folder) is None


def test_a_trimmed_checkpoint_is_not_resumed_from(tmp_path: Path) -> None:
    first, second, third = (save(tmp_path, step) for step in (1, 2, 3))
    prune(tmp_path, keep_last=1, protect=[first.name], trim=[STATE_TENSORS])
    flip(third / STATE_TENSORS)
    assert newest_sound(tmp_path).folder == first
    with pytest.raises(UserError, match="holds an adapter only"):
        read_checkpoint(second)


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, 1)
    write_checkpoint(tmp_path, NAMES[0], state={"step": 7}, tensors=tensors_of(7))
    assert read_checkpoint(tmp_path / NAMES[0]).state == {"step": 7}


def test_what_fails_before_the_rename_leaves_nothing(tmp_path: Path) -> None:
    save(tmp_path, 1)

    def failing(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="could not be written") as caught:
        write_checkpoint(tmp_path, NAMES[1], state={}, tensors=tensors_of(2), export=failing)
    assert NAMES[1] in str(caught.value)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [NAMES[0]]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"):
        save(tmp_path / "file", 1)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full after `size` bytes of any one file (Python turns the signal into an error)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(tmp_path: Path) -> None:
    first = save(tmp_path, 1)
    with largest_file(1000), pytest.raises(UserError, match="could not be written"):
        save(tmp_path, 2)
    assert newest_sound(tmp_path).folder == first
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [first.name]
    assert save(tmp_path, 2).name == NAMES[1]


Event = tuple[str, str]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """("fsync" or "rename", path) in the order in which the code under test asks the system for them."""
    seen: list[Event] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def note_fsync(descriptor: int) -> None:
        seen.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        seen.append(("rename", str(target)))
        return rename(path, target)

    def note_replace(path: Path, target: Path) -> Path:
        seen.append(("rename", str(target)))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    monkeypatch.setattr(Path, "replace", note_replace)
    return seen


def test_on_disk_before_it_has_its_name(tmp_path: Path, events: list[Event]) -> None:
    """Files, folders, the rename, its parent; only then the pointer, in the same way."""
    folder = save(tmp_path, 1)
    named = events.index(("rename", str(folder)))
    staging = str(tmp_path / f".{folder.name}.writing")
    before = [path for what, path in events[:named] if what == "fsync"]
    for path in (STATE_TENSORS, STATE_JSON, str(ADAPTER), "raw"):
        assert f"{staging}/{path}" in before
    # The manifest goes to disk under a temporary name, and takes its own within the staging folder.
    manifest = events.index(("rename", f"{staging}/{MANIFEST}"))
    assert MANIFEST in events[manifest - 1][1]
    assert before[-1] == staging, "the folder itself last"
    latest = events.index(("rename", str(tmp_path / LATEST)))
    assert events[named + 1] == ("fsync", str(tmp_path))
    assert named + 1 < latest
    assert events[latest + 1 :] == [("fsync", str(tmp_path))]


class Killed(BaseException):
    """The process is gone: nothing that would run afterwards has an effect."""


class Machine:
    """Counts what is asked of the disk and stops at the given request, and at every one after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, survives: int) -> None:
        self.survives, self.asked = survives, 0
        for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, self._guarded(getattr(os, name), tear=name == "fsync"))
        monkeypatch.setattr(module, "save_file", self._guarded(module.save_file, tear=False))

    def _guarded(self, function: Callable[..., Any], *, tear: bool) -> Callable[..., Any]:
        def guarded(*arguments: Any, **named: Any) -> Any:
            self.asked += 1
            if self.asked > self.survives:
                if tear and self.asked == self.survives + 1:
                    _lose_half(arguments[0])
                raise Killed
            return function(*arguments, **named)

        return guarded


def _lose_half(descriptor: int) -> None:
    """What was written and not yet synced may be lost with the power: here half of it is."""
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if path.is_file():
        with path.open("rb+") as handle:
            handle.truncate(path.stat().st_size // 2)


def save_and_prune(root: Path, step: int) -> None:
    save(root, step)
    prune(root, keep_last=1, protect=[], trim=[STATE_TENSORS])


def save_on(root: Path, *, survives: int) -> int:
    """Requests made, where the machine lives long enough."""
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch, survives=survives)
        save_and_prune(root, 3)
    return machine.asked


def test_a_crash_at_every_request_leaves_a_checkpoint(tmp_path: Path) -> None:
    """Two checkpoints stand; the third is being saved and the oldest trimmed. Afterwards the same save succeeds."""
    before = tmp_path / "before"
    save(before, 1)
    save(before, 2)
    count = save_on(Path(shutil.copytree(before, tmp_path / "counted")), survives=10**6)
    assert count > 15
    reached = set()
    for survives in range(count):
        root = Path(shutil.copytree(before, tmp_path / str(survives)))
        with pytest.raises(Killed):
            save_on(root, survives=survives)
        newest = newest_sound(root).folder
        assert newest is not None, f"killed at request {survives}: nothing is left"
        step = read_checkpoint(newest).state["step"]
        assert step in (2, 3)
        assert torch.equal(read_checkpoint(newest).tensors["values"], tensors_of(step)["values"])
        reached.add(step)
        save_and_prune(root, 3)
        assert read_checkpoint(root / NAMES[2]).state == {"step": 3}
        assert whole(root) == [NAMES[2]]
        assert not list(root.glob(".*")), "left-overs"
        shutil.rmtree(root)
    assert reached == {2, 3}


def test_of_a_network_trained_from_scratch_the_last_two_stay(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save_last_state(tmp_path, step, state={"step": step}, tensors={"a": torch.full((2,), float(step))})
    assert [folder.name for folder in all_checkpoints(tmp_path)] == ["step_0000010", "step_0000015"]
    assert pointer(tmp_path, LATEST) == "step_0000015"
    assert read_checkpoint(tmp_path / "step_0000015").tensors["a"].tolist() == [15, 15]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step_0000010", "step_0000015"]
