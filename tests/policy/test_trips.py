"""How far a value travels in a training: the photographs' folder to the tensors, and the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .test_imports import SOURCE
from .value_trace import Program, Trace

JOB = ("woundgen.workflows.train.job", "train_adapter")
FLOORS = (
    {"errors", "events", "records", "verdicts", "config", "storage"},
    {"data", "models", "adapters", "features", "diffusion", "similarity", "copies", "runtime"},
    {"training", "generation", "screening", "metrics", "privacy", "shipped", "downstream"},
    {"reporting", "comparison"},
    {"workflows"},
)
SESSION = r"TrainingJob|TrainingSession|TrainRequest"
PHOTOGRAPHS = re.compile(
    rf"\b(Path|Photo|PhotoSet|Dataset|ndarray|NDArray|Images|bytes|Image|BinaryIO|IO|Reader|EncodedDataset|{SESSION})\b"
)
SETTINGS = re.compile(rf"\b(TrainConfig|\w+Options|{SESSION})\b")


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(SOURCE)


def climbs(trace: Trace) -> set[tuple[str, str]]:
    """Pairs of (callee, caller) where the value comes back up to a higher floor."""
    return {
        (".".join(callee), ".".join(caller))
        for callee, caller in trace.returned
        if floor_of(caller[0]) > floor_of(callee[0])
    }


def floor_of(module: str) -> int:
    """The ground for what all may import, then mechanisms, then those that put them together, and the jobs on top."""
    room = module.split(".")[1]
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), 1)


def test_the_folder_of_photographs(program: Program) -> None:
    trace = Trace(program, PHOTOGRAPHS)
    trace.follow(JOB, "job", ("request", "data"))
    files = trace.files()
    assert {"woundgen.data.photo_set", "woundgen.data.pixels.prepare", "woundgen.data.files.images"} <= files
    assert len(files) < 35, sorted(files)
    assert len(climbs(trace)) < 12, sorted(climbs(trace))


def test_the_settings(program: Program) -> None:
    trace = Trace(program, SETTINGS)
    trace.follow(JOB, "job", ("request", "config"))
    files = {key[0] for key in trace.entered}  # those that are handed a session, too, for they read it there
    assert {"woundgen.training.plan", "woundgen.workflows.train.checkpoints"} <= files
    assert len(files) < 40, sorted(files)


def test_a_value_is_followed(tmp_path: Path) -> None:
    (tmp_path / "low.py").write_text("def read(path: Path) -> list[Photo]:\n    return [path]\n")
    (tmp_path / "high.py").write_text(
        "from woundgen.low import read\n"
        "def start(request: TrainRequest) -> None:\n"
        "    photos = read(request.data / 'a')\n"
        "    use(photos)\n"
        "    pass_by(request.out)\n"
        "def use(rows: list[Photo]) -> None: ...\n"
        "def pass_by(path: Path) -> None: ...\n"
    )
    trace = Trace(Program(tmp_path), PHOTOGRAPHS)
    trace.follow(("woundgen.high", "start"), "request", ("data",))
    assert set(trace.entered) == {("woundgen.high", "start"), ("woundgen.low", "read"), ("woundgen.high", "use")}
    assert trace.returned == {(("woundgen.low", "read"), ("woundgen.high", "start"))}
