"""Several runs at once, a card each; and what `--devices` means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.errors import UserError
from woundgen.events import Event, Info, complete
from woundgen.runtime import supervisor as module
from woundgen.runtime.hardware import Card
from woundgen.runtime.parallel_runs import Job, parse_cards, run_side_by_side
from woundgen.runtime.processes import nccl_settings

PAIR = [Card(index, "NVIDIA GeForce RTX 4090", "550.54", 24564, 24000) for index in (0, 1)]


@pytest.mark.parametrize(("text", "cards"), [("2", None), ("0,1", [0, 1]), ("1,", [1]), ("1, 0", [1, 0])])
def test_devices(text: str, cards: list[int] | None) -> None:
    assert parse_cards(text, present=PAIR) == cards


@pytest.mark.parametrize(
    ("text", "words"),
    [("0", "neither a number of processes"), ("two", "neither"), ("0,x", "does not name cards"),
     ("0,0", "does not name cards"), ("0,2", "there is no card 2")],
)  # fmt: skip
def test_devices_that_are_none(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_cards(text, present=PAIR)
    if words.startswith("there"):
        assert parse_cards(text, present=[]) == [0, 2], "where the driver knows none, the runs share the processor"


def test_rtx_40_pairs_do_without_peer_to_peer() -> None:
    assert nccl_settings(PAIR) == {"NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1"}
    assert nccl_settings(PAIR[:1]) == {}
    assert nccl_settings([Card(index, "NVIDIA A100", "550.54", 81920, 81000) for index in (0, 1)]) == {}


def lines_of(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Info)]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs whose one word is a Python program, run with the card in the environment as for real."""
    real = subprocess.Popen

    def popen(command: list[str], **named: object) -> subprocess.Popen[str]:
        return real([sys.executable, "-S", "-c", command[-1]], **named)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(module.subprocess, "Popen", popen)


@pytest.mark.usefixtures("played")
def test_at_once_each_on_its_card(tmp_path: Path) -> None:
    """Two wait for one another, which only what runs at once can; the third takes the card that is free first."""
    meet = (
        "import os, pathlib, sys, time\n"
        "here = pathlib.Path({here!r}); (here / '{mine}').touch()\n"
        "while not (here / '{other}').exists(): time.sleep(.01)\n"
        "print(os.environ['CUDA_VISIBLE_DEVICES'])"
    )
    jobs = [
        Job("a", (meet.format(here=str(tmp_path), mine="a", other="b"),)),
        Job("b", (meet.format(here=str(tmp_path), mine="b", other="a"),)),
        Job("c", ("import os; print('c on', os.environ['CUDA_VISIBLE_DEVICES']); raise SystemExit(3)",)),
    ]
    events: list[Event] = []
    assert complete(run_side_by_side(jobs, cards=[4, 7]), events) == 3
    said = lines_of(events)
    assert {"a | 4", "b | 7"} <= set(said)
    assert any(line.startswith("a | on card 4: ") for line in said)
    assert {"c | c on 4", "c | c on 7"} & set(said)
    assert any("c | ended with exit code 3" in line for line in said)


@pytest.mark.usefixtures("played")
def test_a_signal_reaches_all() -> None:
    sleep = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(143)); print('up', flush=True); time.sleep(60)"
    )
    events: list[Event] = []

    def stop_when_both_are_up() -> None:
        while sum(line.endswith("| up") for line in lines_of(events)) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_both_are_up, daemon=True).start()
    jobs = [Job(name, (sleep,)) for name in "abc"]
    assert complete(run_side_by_side(jobs, cards=[0, 1], slot="slot"), events) == 143
    assert any(line.startswith("a | on slot 0: ") for line in lines_of(events)), "without cards"
    assert not any(line.startswith("c |") for line in lines_of(events)), "no further job is begun"


def test_what_is_refused_before_any_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "I.yaml", tmp_path / "R.yaml"
    one.write_text("phases: [I]\n")
    other.write_text("phases: [R]\nlora_rnak: 3\n")
    configs = ["--config", str(one), "--config"]
    out = ["--out", str(tmp_path / "runs")]
    for words, told in (
        ([*configs, str(other)], "did you mean 'lora_rank'"),
        ([*configs, str(one)], "Two configs train into"),
        ([*configs, str(one), "--devices", "2"], "Name the cards"),
    ):
        assert run(["train", *words, *out]) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "runs").exists()
