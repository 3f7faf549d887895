"""One run killed by SIGKILL again and again, at moments spread over caching, steps, evaluations and every write."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from woundgen.rundir import read_json
from woundgen.training.checkpoint import newest_sound

from .conftest import Workshop

STARTS = int(os.environ.get("WOUNDGEN_KILLS", "60"))
# (module, function, the last call that may be fatal): where a start is killed. Before or inside that call.
CACHING = ("woundgen.workflows.setup", "encode_images", 1)
STEP = ("woundgen.training.latents", "normal", 6)
EVALUATION = ("woundgen.workflows.observer", "per_image_loss", 2)
WRITES = tuple(("os", name, 12) for name in ("fsync", "rename", "replace", "mkdir"))
TENSORS = ("woundgen.training.checkpoint", "save_file", 2)
MOMENTS = (CACHING, STEP, EVALUATION, TENSORS, *WRITES)
SETTINGS = ("sample_images=0", "save_every_minutes=null")


def in_a_fork(action: Callable[[], int]) -> int:
    """Its wait status. The imports of the parent are there already: a start takes a second."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = action()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def kill_at(module: Any, name: str, call: int, *, after: bool) -> None:
    """Let the call-th call of module.name be the process's last: not begun, or done and nothing after it."""
    function, calls = getattr(module, name), [0]

    def fatal(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, fatal)


def start(words: list[str], moment: tuple[str, str, int] | None, chance: random.Random) -> int:
    """Wait status of one start, killed at the moment or left alone."""
    call, after = (chance.randint(1, moment[2]), chance.random() < 0.5) if moment else (0, False)

    def action() -> int:
        import importlib

        import torch

        from woundgen.cli import run

        torch.set_num_threads(1)  # no threads of the parent's are there after a fork
        if moment:
            kill_at(importlib.import_module(moment[0]), moment[1], call, after=after)
        return run(words)

    return in_a_fork(action)


def results(out: Path) -> dict[str, bytes]:
    folder = newest_sound(out / "checkpoints", warn=pytest.fail)
    assert folder is not None
    names = ("state.safetensors", "state.json", *(f"{w}/pytorch_lora_weights.safetensors" for w in ("raw", "ema")))
    return {name: (folder / name).read_bytes() for name in names} | {
        name: (out / name).read_bytes() for name in ("train.jsonl", "eval.jsonl")
    }


@pytest.mark.slow
def test_killed_again_and_again(workshop: Workshop, tmp_path: Path) -> None:
    """Adapter, EMA, optimizer and logs are those of a run that nobody disturbed. After a run that ends, another."""
    import woundgen.workflows.train  # noqa: F401 - once, before the forks

    chance = random.Random(4)
    more = [word for setting in SETTINGS for word in ("--set", setting)]
    whole = tmp_path / "whole"
    assert start(workshop.train(whole, *more), None, chance) == 0
    expected = results(whole)
    kills: dict[str, int] = {}
    runs, number, finished = 0, 0, True
    while number < STARTS or not finished:
        runs += finished
        out = tmp_path / f"run_{runs}"
        moment = MOMENTS[number % len(MOMENTS)] if number < STARTS else None
        status = start(workshop.train(out, *more), moment, chance)
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, f"start {number}: exit {os.WEXITSTATUS(status)}"
        killed = status != 0
        name = moment[1] if moment else "none"
        kills[name] = kills.get(name, 0) + killed
        number += 1
        finished = not killed
        if finished:
            assert results(out) == expected, f"run {runs}, after start {number}"
            assert read_json(out / "run.json")["status"] == "finished"
    print(f"{number} starts, {sum(kills.values())} killed ({kills}), {runs} runs finished, all byte-equal")
    assert sum(kills.values()) >= STARTS // 3
    assert all(count for name, count in kills.items() if name != "none"), kills
