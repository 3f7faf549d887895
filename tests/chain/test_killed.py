"""One run killed by SIGKILL again and again, at moments spread over caching, steps, evaluations and every write."""

from __future__ import annotations

import csv
import os
import random
import signal
import time
from pathlib import Path
from typing import get_args

import pytest

from woundgen.config.method_groups import ModelOptions
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import EVAL_LOG, TRAIN_LOG

from .conftest import Workshop, contents
from .kills import Moment, draw_moment, requests_of_a_save, start

STARTS = {"lora": 60, "full": 20, "textual_inversion": 20}
KILLS = os.environ.get("WOUNDGEN_KILLS")  # starts of each method, instead of STARTS
TABLES = os.environ.get("WOUNDGEN_KILLS_TABLES")  # a folder: METHOD.csv, a line for each start
BUILT = get_args(ModelOptions.model_fields["method"].annotation)
SETTINGS = ("sample_images=0", "save_every_minutes=null", "max_steps=60", "evaluate_every_n_epochs=1")
STRATA = ("save", "caching", "save", "step", "save", "evaluation")
COLUMNS = ("start", "stratum", "call", "save", "how", "delay", "killed", "run", "reached", "seconds")
PRUNING = 5  # the first save that also trims an older checkpoint is the fourth; this one has trimmed before


def results(out: Path) -> dict[str, bytes]:
    """Every checkpoint, pointer and log: adapter, EMA, optimizer, losses; and nothing that a kill left behind."""
    found = contents(out / "checkpoints")
    return found | {name: (out / name).read_bytes() for name in (TRAIN_LOG, EVAL_LOG)}


def reached(out: Path) -> int:
    return max((row["step"] for row in read_jsonl(out / TRAIN_LOG)), default=0)


def moments(starts: int, *, requests: int) -> list[Moment]:
    """Half of them within a save, spread over its requests: at every one, where there are as many."""
    chance = random.Random(4)
    saves = sum(STRATA[number % len(STRATA)] == "save" for number in range(starts))
    within = iter([1 + number * requests // saves for number in range(saves)])
    found = []
    for number in range(starts):
        stratum = STRATA[number % len(STRATA)]
        request = next(within) if stratum == "save" else 0
        found.append(draw_moment(stratum, request=request, chance=chance))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", [method for method in STARTS if method in BUILT])
def test_killed_again_and_again(method: str, workshop: Workshop, tmp_path: Path) -> None:
    """All checkpoints and logs are those of a run that nobody disturbed. After a run that ends, another is begun."""
    import woundgen.workflows.train.job  # noqa: F401 - once, before the forks

    more = [word for setting in (*SETTINGS, f"training_method={method}") for word in ("--set", setting)]
    whole = tmp_path / "whole"
    assert start(workshop.train(whole, *more), None) == 0
    expected = results(whole)
    requests = requests_of_a_save(workshop.train(tmp_path / "counted", *more), save=PRUNING)
    assert requests > 20
    starts = max(STARTS[method], 2 * requests) if method == "lora" else STARTS[method]
    starts = int(KILLS or starts)
    rows: list[dict[str, object]] = []
    runs, finished = 0, True
    planned: list[Moment | None] = [*moments(starts, requests=requests)]
    while planned or not finished:
        runs += finished
        out = tmp_path / f"run_{runs}"
        moment, began = planned.pop(0) if planned else None, time.monotonic()
        status = start(workshop.train(out, *more), moment)
        finished = status == 0
        assert finished or os.WTERMSIG(status) == signal.SIGKILL, f"{moment}: exit {os.WEXITSTATUS(status)}"
        rows.append(row_of(len(rows) + 1, moment, finished, runs, reached(out), time.monotonic() - began))
        if TABLES:
            keep_table(Path(TABLES) / f"{method}.csv", rows)
        if finished and moment is not None:
            planned.insert(0, moment)  # the run ended before it came to that; the next one will
        if finished:
            assert results(out) == expected, f"run {runs}, after start {len(rows)}"
            assert read_json(out / "run.json")["status"] == "finished"
    killed = [row for row in rows if row["killed"]]
    print(
        f"{method}: {len(rows)} starts, {len(killed)} killed, {requests} writes in a save, {runs} runs, all byte-equal"
    )
    assert len(killed) == starts
    assert {row["stratum"] for row in killed} == set(STRATA)


def row_of(
    number: int, moment: Moment | None, finished: bool, run: int, step: int, seconds: float
) -> dict[str, object]:
    where = moment or Moment("left alone", 0)
    values = (where.stratum, where.call, where.save, where.how, f"{where.delay:.4f}")
    return dict(zip(COLUMNS, (number, *values, int(not finished), run, step, f"{seconds:.2f}"), strict=True))


def keep_table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
