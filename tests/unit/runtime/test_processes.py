"""Processes of one command: where a launcher has placed us, and how all end where one dies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from woundgen import cli
from woundgen.errors import UserError
from woundgen.runtime import devices
from woundgen.runtime import processes as module
from woundgen.runtime.processes import Place, read_launcher, run_together

SLEEP = "import time; time.sleep(60)"


def test_the_environment_of_launchers() -> None:
    assert read_launcher({}) is None
    assert read_launcher({"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0"}) == Place(rank=2, local=0, size=4)
    with pytest.raises(UserError, match="RANK"):
        read_launcher({"WORLD_SIZE": "4"})
    assert read_launcher({"ACCELERATE_USE_CPU": "True"}) is None, "accelerate launch with one process"
    with pytest.raises(UserError, match="asked for several processes and has started one"):
        read_launcher({"ACCELERATE_USE_CPU": "True", "MASTER_PORT": "29500"})


@pytest.fixture
def playing(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """run_together with given programs in place of the ranks' command."""

    def play(programs: list[str], *, grace: float = 0.2) -> int:
        def start(words: object, rank: int, count: int, port: int, said: object) -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-S", "-c", programs[rank]], stderr=said)  # type: ignore[arg-type,return-value]

        monkeypatch.setattr(module, "_start", start)
        monkeypatch.setattr(module, "GRACE", grace)
        return run_together(["train"], count=len(programs))

    return play


def test_all_well(playing: Callable[[list[str]], int]) -> None:
    assert playing(["", ""]) == 0


@pytest.mark.parametrize(
    ("death", "code", "told"),
    [
        ("raise RuntimeError('a broken card')", 1, "a broken card"),
        ("import os; os.kill(os.getpid(), 9)", 137, "process 1 of 2 was killed by signal 9"),
        ("import sys; sys.exit(2)", 2, ""),
    ],
)
def test_a_death_ends_all_within_a_minute(
    death: str, code: int, told: str, playing: Callable[[list[str]], int], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the traceback of the one that died, though it is not the first."""
    started = time.monotonic()
    assert playing([SLEEP, death]) == code
    assert time.monotonic() - started < 30
    assert told in capfd.readouterr().err


def test_the_first_cause_is_told(playing: Callable[..., int]) -> None:
    """The others die of closed connections, with tracebacks of their own; the exit code is the cause's."""
    assert playing(["import time, sys; time.sleep(0.5); sys.exit(2)", "raise RuntimeError"], grace=30) == 2


def test_devices_is_acted_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    asked: list[int] = []
    monkeypatch.setattr(module, "run_together", lambda words, *, count: asked.append(count) or 143)
    assert cli.run(["train", "--data", str(tmp_path), "--devices", "3"]) == 143
    assert asked == [3]


def test_a_launcher_that_starts_too_few_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert cli.run(["train", "--data", str(tmp_path), "--devices", "2"]) == 2
    assert "--devices 2, but the launcher started 1 process." in capsys.readouterr().err


def test_a_process_without_a_card_of_its_own_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(UserError, match="2 processes, and 1 GPU"),
        devices.join_ranks(Place(rank=1, local=1, size=2), asked=2, device="auto"),
    ):
        pass
