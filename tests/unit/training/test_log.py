"""Histories without double or lost rows, and signals that end a run in good order."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from woundgen.runtime.signals import SIGNALS, stop_on_signals
from woundgen.storage.files import append_jsonl, read_jsonl
from woundgen.storage.names import EVAL_LOG, TRAIN_LOG
from woundgen.training.log import RunLog
from woundgen.training.trackers import RunName, open_trackers


def row(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": step / 4, "loss": 0.1 * step, "gradient_norm": 1.0, "learning_rate": 1e-3}


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_jsonl(path)]


def test_logs_are_cut_back_to_the_resumed_step(tmp_path: Path) -> None:
    """Killed after step 5, in the middle of a row; the last checkpoint is of step 3."""
    log = RunLog(tmp_path, resumed_step=0)
    for step in range(1, 6):
        log.train(row(step))
    log.close()
    append_jsonl(tmp_path / EVAL_LOG, [{"step": n, "epoch": n / 4, "weights": "raw", "metrics": []} for n in (2, 4)])
    with (tmp_path / TRAIN_LOG).open("a") as handle:
        handle.write('{"step": 6, "epo')

    log = RunLog(tmp_path, resumed_step=3)
    assert steps(tmp_path / TRAIN_LOG) == [1, 2, 3]
    assert steps(tmp_path / EVAL_LOG) == [2]
    log.train(row(4))
    log.close()
    assert list(read_jsonl(tmp_path / TRAIN_LOG)) == [row(step) for step in range(1, 5)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted(number: signal.Signals) -> None:
    """Outside, what was there before is there again."""
    before = [signal.getsignal(one) for one in SIGNALS]
    with stop_on_signals() as request:
        assert request.received is None
        os.kill(os.getpid(), number)
        assert request.received == number
    assert [signal.getsignal(one) for one in SIGNALS] == before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background begins with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_acts_at_once(interruptible: None) -> None:
    with stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert request.received == signal.SIGINT


def evaluation_row(step: int) -> dict[str, Any]:
    value = {"metric": "fd", "value": 9.0, "low": 7.0, "high": 11.5, "label": "", "network": "embedded"}
    return {"step": step, "epoch": 1.0, "weights": "ema", "metrics": [
        value,
        {**value, "label": "floor", "value": 4.0, "low": None, "high": None},
        {**value, "network": "dinov2-small"},
    ]}  # fmt: skip


def test_tensorboard_shows_settings_grids_and_intervals(tmp_path: Path) -> None:
    """Read back by TensorBoard's own reader; no machine's name and no path is in the file."""
    settings = {
        "lora_rank": 8,
        "learning_rate": 1e-3,
        "data": "/clinic/wounds",
        "base_model": "/models/sd",
        "fold": None,
    }
    trackers = open_trackers(["tensorboard"], tmp_path, RunName("run", "0" * 64, settings), resumed_step=0)
    log = RunLog(tmp_path, resumed_step=0, trackers=trackers)
    log.train(row(1))
    log.evaluation(evaluation_row(1))
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    log.grid(picture, step=1, weights="ema")
    log.close()
    board = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    board.Reload()
    scalars = {name: board.Scalars(name)[0].value for name in board.Tags()["scalars"]}
    assert scalars["train/loss"] == pytest.approx(0.1)
    expected = {"fd/ema": 9.0, "fd/ema/low": 7.0, "fd/ema/high": 11.5, "fd/ema/floor": 4.0, "fd/dinov2-small/ema": 9.0}
    assert expected.items() <= scalars.items()
    assert "fd/ema/floor/low" not in scalars
    (shown,) = board.Images("samples/ema")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown.encoded_image_string)).convert("RGB")), picture)
    stored = board.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"lora_rank" in stored
    files = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"/clinic" not in files
    assert b"/models" not in files
    assert socket.gethostname().encode() not in files


def test_other_trackers_get_numbers_and_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the calls of each client, as their documentation has them; offline unless the user says otherwise."""
    calls: list[tuple[str, Any]] = []

    def note(name: str) -> Any:
        return lambda *given, **named: calls.append((name, (given, named)))

    wandb_run = SimpleNamespace(log=note("wandb.log"), finish=note("wandb.finish"))

    def wandb_init(**named: Any) -> Any:
        calls.append(("wandb.init", named))
        return wandb_run

    wandb = SimpleNamespace(init=wandb_init, Settings=lambda **named: named)
    trackio_run = SimpleNamespace(log=note("trackio.log"))
    trackio = SimpleNamespace(
        init=lambda **named: calls.append(("trackio.init", named)) or trackio_run, finish=note("trackio.finish")
    )
    for name, module in (("wandb", wandb), ("trackio", trackio)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    names = ["wandb", "trackio", "wandb"]
    run = RunName("phase I", "a" * 64, {"data": "/clinic/wounds", "lora_rank": 8})
    log = RunLog(tmp_path, resumed_step=0, trackers=open_trackers(names, tmp_path, run, resumed_step=0))
    log.train(row(2))
    log.evaluation(evaluation_row(2))
    log.grid(np.zeros((8, 8, 3), np.uint8), step=2, weights="ema")
    log.close()
    started = dict(calls[:2])
    assert started["wandb.init"]["mode"] == "offline"
    assert started["wandb.init"]["settings"]["console"] == "off"
    assert started["wandb.init"]["config"] == started["trackio.init"]["config"] == {"data": "a path", "lora_rank": 8}
    logged = [given for name, given in calls if name == "wandb.log"]
    assert logged[0][0] == ({"train/loss": 0.2, "train/gradient_norm": 1.0, "train/learning_rate": 1e-3},)
    assert logged[0][1] == {"step": 2}
    assert [name for name, _ in calls].count("wandb.init") == 1
    assert {"wandb.finish", "trackio.finish"} <= {name for name, _ in calls}
    assert not any("ndarray" in repr(type(value)) for _, (given, _) in calls[2:] for value in given)
