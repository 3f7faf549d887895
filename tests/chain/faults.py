"""Faults of the disk, kills, moves and rivals, put into a command at its n-th request: in forks, real processes.

With WOUNDGEN_FAULTS_TABLE=FILE each verb that holds adds a line of JSON, of which scripts/make_faults_table.py makes
the table in docs/reliability.md. WOUNDGEN_FAULTS=kill,full runs these faults alone.
"""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.cli import run

from ..forks import code_of, fork

REQUESTS = ("fsync", "replace", "rename", "mkdir", "truncate", "ftruncate")
"""What writing asks of the disk: by each of these a file or folder comes to stand."""
REMOVALS = ("unlink", "remove", "rmdir")
"""A full disk does not refuse these; the other faults and kills meet them, too."""
FAULTS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "failing": errno.EIO}
KILL, SMALL, MOVED, RIVALS = "kill", "small disk", "moved", "two at once"
LARGE = 1 << 29
EVERY = (KILL, SMALL, *FAULTS, MOVED, RIVALS)


def run_with_fault(words: Sequence[str], *, at: int, fault: str, errors: Path) -> tuple[int, int]:
    """Run a command whose `at`-th request and all later ones meet the fault; (exit code, requests made).

    fault: of FAULTS, or "kill": before the request, or with half of the file that it would fsync. errors: receives
    standard error. at: 0 for no fault.
    """
    counted = errors.with_suffix(".requests")
    counted.unlink(missing_ok=True)

    def action() -> int:
        made = [0]
        for name in (*REQUESTS, *(() if fault == "full" else REMOVALS)):
            setattr(os, name, _counted(name, getattr(os, name), made, at, fault))
        with errors.open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
            code = run(list(words))
        counted.write_text(str(made[0]))
        return code

    code = code_of(fork(action))
    return code, int(counted.read_text()) if counted.exists() else at


def _counted(name: str, call: Callable[..., Any], made: list[int], at: int, fault: str) -> Callable[..., Any]:
    def counting(*arguments: Any, **named: Any) -> Any:
        made[0] += 1
        if made[0] >= at > 0:
            if fault == KILL:
                if name == "fsync" and at % 2:
                    _tear(arguments[0])
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), str(arguments[0]))
        return call(*arguments, **named)

    return counting


def _tear(descriptor: int) -> None:
    """Leave half of a file, as if the kill had come while it was written."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        os.truncate(f"/proc/self/fd/{descriptor}", status.st_size // 2)


def outcome(place: Path) -> dict[str, object]:
    """Every file below a folder, hidden ones too and locks aside, and every folder."""
    found: dict[str, object] = {}
    for path in sorted(place.rglob("*")):
        if path.is_dir():
            found[str(path.relative_to(place))] = "folder"
        elif path.name != ".woundgen.lock":
            found[str(path.relative_to(place))] = path.read_bytes()
    return found


Look = Callable[[Path], Mapping[str, object]]


@dataclass(frozen=True)
class Case:
    """A verb under faults. words: of the command that fills `out`. prepare: puts into `out` what must lie there.

    look: what is compared afterwards, of the folder that `out` lies in alone. Files that differ between two undisturbed
    runs (they hold times) are not. done: what the command says, with exit code 2, where its work was complete already.
    allowed: exit codes of a rival beside 0 and 2.
    """

    name: str
    words: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], object] = lambda out: None
    look: Look = outcome
    done: str | None = None


def check_case(case: Case, folder: Path, faults: Sequence[str], *, moments: int, kills: int) -> None:
    """Each fault at `moments` requests (a kill at `kills`), some of them in a row: one line and exit code 2 (a kill:
    nothing); then the command completes with the bytes of an undisturbed one and leaves nothing beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = os.environ.get("WOUNDGEN_FAULTS")
    trial = Trial(case, folder)
    for fault in faults:
        if chosen is not None and fault not in chosen.split(","):
            continue
        if fault == SMALL and not can_mount(folder):
            continue
        if fault in (MOVED, RIVALS):
            count = min(moments, 2)
            for number in range(count):
                trial.move(number) if fault == MOVED else trial.start_two(number)
        elif fault == SMALL:
            count = moments
            trial.fill_small_disks(moments)
        else:
            count = kills if fault == KILL else moments
            trial.meet(fault, count)
        _record(case.name, fault, count, trial.varying)


class Trial:
    """An undisturbed outcome, and runs that meet faults and are compared with it."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        place = self._start("whole")
        with (folder / "first.txt").open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
            code = run(list(case.words(place / "out")))  # in this process, which pays for imports
        assert code == 0, (folder / "first.txt").read_text()
        self.expected = case.look(place)
        self.bytes = _bytes_below(place)
        self.requests = {}
        self.varying: set[str] = set()
        time.sleep(1.1)  # so that files with a time of day differ
        for fault in (KILL, "full"):
            place = self._start(f"again {fault}")
            code, self.requests[fault] = self._run(place, at=0, fault=fault)
            assert code == 0, self._said()
            self.varying |= self._differences(place)
            shutil.rmtree(place)

    def _start(self, name: str) -> Path:
        place = self.folder / name.replace(" ", "_")
        place.mkdir(parents=True)
        self.case.prepare(place / "out")
        return place

    def _run(self, place: Path, *, at: int, fault: str) -> tuple[int, int]:
        return run_with_fault(self.case.words(place / "out"), at=at, fault=fault, errors=self.folder / "last.txt")

    def _said(self) -> str:
        return (self.folder / "last.txt").read_text()

    def _differences(self, place: Path) -> set[str]:
        found = self.case.look(place)
        return {name for name in self.expected.keys() | found.keys() if found.get(name) != self.expected.get(name)}

    def _is_complete(self, code: int) -> bool:
        return code == 0 or (code == 2 and self.case.done is not None and self.case.done in self._said())

    def _compare(self, place: Path, what: str) -> None:
        different = self._differences(place) - self.varying
        assert not different, f"{self.case.name}, {what}: {sorted(different)}"

    def _complete(self, place: Path, what: str) -> None:
        code, _ = self._run(place, at=0, fault=KILL)
        assert self._is_complete(code), f"{self.case.name}, {what}: {code} {self._said()}"
        self._compare(place, what)
        shutil.rmtree(place)

    def meet(self, fault: str, count: int) -> None:
        """Meet a fault `count` times, spread over the requests of an undisturbed run, in a row in one folder until a
        start completes before its turn comes."""
        chance = random.Random(f"{self.case.name} {fault}")
        requests = self.requests["full" if fault == "full" else KILL]
        strata = [(index + chance.random()) / count for index in range(count)]
        chance.shuffle(strata)
        left = [1 + int(share * requests) for share in strata]
        place, before = self._start(f"{fault} {len(left)}"), list[int]()
        while left:
            what = f"{fault} at {[*before, left[-1]]}"
            code, _ = self._run(place, at=left[-1], fault=fault)
            if self._is_complete(code):
                assert before, f"{self.case.name}, {what}: the fault did not come"
                self._compare(place, what)
                shutil.rmtree(place)
                place, before = self._start(f"{fault} {len(left)} {len(before)}"), []
                continue
            if fault == KILL:
                assert code == -signal.SIGKILL, f"{self.case.name}, {what}: {code} {self._said()}"
            else:
                self._check_line(code, what)
            before.append(left.pop())
        self._complete(place, f"{fault} at {before}")

    def _check_line(self, code: int, what: str) -> None:
        said = self._said()
        assert (code, said.count("\n")) == (2, 1), f"{self.case.name}, {what}: {code}\n{said}"
        assert said.startswith("error: ")

    def move(self, number: int) -> None:
        """Kill, and go on after the folder was moved."""
        at = max(1, self.requests[KILL] * (number + 1) // 3)
        place = self._start(f"moved {number}")
        code, _ = self._run(place, at=at, fault=KILL)
        assert code == -signal.SIGKILL
        self._complete(place.rename(place.with_name(f"elsewhere_{number}")), f"{MOVED} at {at}")

    def start_two(self, number: int) -> None:
        place = self._start(f"two {number}")
        words = self.case.words(place / "out")
        children = [fork(lambda name=name: _quietly(words, self.folder / name)) for name in ("one.txt", "two.txt")]
        codes = [code_of(child) for child in children]
        said = "".join((self.folder / name).read_text() for name in ("one.txt", "two.txt"))
        assert set(codes) <= {0, 2}, f"{self.case.name}, {RIVALS}: {codes} {said}"
        assert said.count("\n") <= codes.count(2), f"{self.case.name}, {RIVALS}: {said}"
        self._complete(place, RIVALS)

    def fill_small_disks(self, sizes: int) -> None:
        """A file system of its own, too small for the result; then it grows, and the same command goes on."""
        for number in range(sizes):
            with memory_disk(self.folder / f"disk_{number}") as disk:
                place = disk / "place"
                place.mkdir()
                self.case.prepare(place / "out")
                room = _bytes_below(place)
                room += (self.bytes - room) // 4096 * (2 * number + 1) // (2 * sizes) * 4096
                resize(disk, room)
                code, _ = self._run(place, at=0, fault=KILL)
                self._check_line(code, f"{SMALL} of {room} bytes")
                resize(disk, LARGE)
                self._complete(place, f"{SMALL} of {room} bytes")


def _bytes_below(folder: Path) -> int:
    """Of files as a file system counts them, in pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


@contextmanager
def memory_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system in memory, of LARGE bytes."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def can_mount(folder: Path) -> bool:
    """Return whether this user may mount file systems: root on most machines, nobody on others."""
    probe = folder / "probe"
    probe.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(probe)], capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", str(probe)], check=True)
    return True


def _quietly(words: Sequence[str], errors: Path) -> int:
    with errors.open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
        return run(list(words))


def _record(verb: str, fault: str, trials: int, varying: set[str]) -> None:
    if table := os.environ.get("WOUNDGEN_FAULTS_TABLE"):
        with Path(table).open("a") as handle:
            handle.write(
                json.dumps({"verb": verb, "fault": fault, "trials": trials, "not_compared": sorted(varying)}) + "\n"
            )
