"""Faults of the disk, kills, moves and rivals, put into a command at its n-th request: in forks, real processes.

With WOUNDGEN_FAULTS_TABLE=FILE each verb that holds adds a line of JSON, of which scripts/make_faults_table.py makes
the table in docs/reliability.md.
"""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.cli import run
from woundgen.storage.names import private_folder

from ..forks import code_of, fork

REQUESTS = ("fsync", "replace", "rename", "mkdir", "truncate", "ftruncate")
"""What writing asks of the disk: by each of these a file or folder comes to stand."""
FAULTS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "failing": errno.EIO}


def run_with_fault(words: Sequence[str], *, at: int, fault: str, errors: Path) -> tuple[int, int]:
    """Run a command whose `at`-th request and all later ones meet the fault; (exit code, requests made).

    fault: of FAULTS, or "kill". errors: receives standard error, and the number of requests on its last line.
    """

    def action() -> int:
        made = [0]
        for name in REQUESTS:
            setattr(os, name, _counted(getattr(os, name), made, at, fault))
        with errors.open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
            code = run(list(words))
        errors.with_suffix(".requests").write_text(str(made[0]))
        return code

    code = code_of(fork(action))
    counted = errors.with_suffix(".requests")
    return code, int(counted.read_text()) if counted.exists() else at


def _counted(call: Callable[..., Any], made: list[int], at: int, fault: str) -> Callable[..., Any]:
    def counting(*arguments: Any, **named: Any) -> Any:
        made[0] += 1
        if made[0] >= at > 0:
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), str(arguments[0]))
        return call(*arguments, **named)

    return counting


def outcome(out: Path) -> dict[str, bytes]:
    """All files of a command's folder and of the private one beside it, the lock aside."""
    found = {}
    for folder in (out, private_folder(out)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != ".woundgen.lock":
                found[f"{folder.name}/{path.relative_to(folder)}"] = path.read_bytes()
    return found


Look = Callable[[Path], Mapping[str, object]]
MOVED, RIVALS = "moved", "two at once"


@dataclass(frozen=True)
class Case:
    """A verb under faults. words: of the command that fills `out`. prepare: puts into `out` what must lie there.

    look: what is compared afterwards. Files that differ between two undisturbed runs (they hold times) are not.
    done: what the command says, with exit code 2, where its work was complete already.
    """

    name: str
    words: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], object] = lambda out: None
    look: Look = outcome
    done: str | None = None

    def start(self, place: Path) -> Path:
        out = place / "out"
        place.mkdir(parents=True)
        self.prepare(out)
        return out


def check_case(case: Case, folder: Path, faults: Sequence[str], *, moments: int) -> None:
    """Each fault at `moments` requests: one line and exit code 2 (a kill: nothing); then the command completes."""
    expected, requests = _undisturbed(case, folder)
    varying = {name for name, content in _undisturbed(case, folder / "again")[0].items() if content != expected[name]}
    chance = random.Random(1)
    for fault in faults:
        count = 1 if fault in (MOVED, RIVALS) else min(moments, requests)
        for at in sorted(chance.sample(range(1, requests + 1), count)):
            place = folder / f"{fault}_{at}".replace(" ", "_")
            out = _meet(case, place, fault, at)
            code, _ = run_with_fault(case.words(out), at=0, fault="kill", errors=folder / "last.txt")
            said = (folder / "last.txt").read_text()
            is_done = code == 2 and case.done is not None and case.done in said
            assert code == 0 or is_done, f"{case.name}, {fault} at {at}: {code} {said}"
            found = case.look(out)
            different = {name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name)}
            assert different <= varying, f"{case.name}, {fault} at {at}: {sorted(different - varying)}"
        _record(case.name, fault, count)


def _undisturbed(case: Case, folder: Path) -> tuple[Mapping[str, object], int]:
    out = case.start(folder / "whole")
    code, requests = run_with_fault(case.words(out), at=0, fault="kill", errors=folder / "whole.txt")
    assert code == 0, (folder / "whole.txt").read_text()
    return case.look(out), requests


def _meet(case: Case, place: Path, fault: str, at: int) -> Path:
    """Run the command with the fault; the folder in which it is to go on."""
    out = case.start(place)
    if fault == RIVALS:
        children = [
            fork(lambda name=name: _quietly(case.words(out), place / f"{name}.txt")) for name in ("first", "second")
        ]
        assert {code_of(child) for child in children} <= {0, 2}
        return out
    kind = "kill" if fault == MOVED else fault
    code, _ = run_with_fault(case.words(out), at=at, fault=kind, errors=place / "errors.txt")
    said = (place / "errors.txt").read_text()
    if kind == "kill":
        assert code == -signal.SIGKILL
    else:
        assert (code, said.count("\n")) == (2, 1), f"{case.name}, {fault} at {at}: {code}\n{said}"
        assert said.startswith("error: ")
    if fault == MOVED:
        place.rename(place.with_name(f"{place.name}_elsewhere"))
        return place.with_name(f"{place.name}_elsewhere") / "out"
    return out


def _quietly(words: Sequence[str], errors: Path) -> int:
    with errors.open("w") as handle, redirect_stderr(handle), redirect_stdout(io.StringIO()):
        return run(list(words))


def _record(verb: str, fault: str, trials: int) -> None:
    if table := os.environ.get("WOUNDGEN_FAULTS_TABLE"):
        with Path(table).open("a") as handle:
            handle.write(json.dumps({"verb": verb, "fault": fault, "trials": trials}) + "\n")
