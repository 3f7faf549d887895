"""Every verb under a full, read-only or failing disk and under kills: one line, and the same command completes it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.phantom_frames import FramedPhantoms, frame_phantoms
from woundgen.models.sources import PINNED
from woundgen.workflows.rebuild import phantom_pool

from ..unit.workflows.fetch.test_bases import Hub
from .conftest import Workshop
from .faults import EVERY, KILL, MOVED, RIVALS, Case, check_case, outcome

Words = Callable[[Path], Sequence[str]]
MOMENTS = int(os.environ.get("WOUNDGEN_FAULTS_MOMENTS", "7"))
"""Of each fault, spread over the requests of an undisturbed run, and sizes of a disk."""
KILLS = int(os.environ.get("WOUNDGEN_FAULTS_KILLS", "20"))


def check_every(case: Case, folder: Path) -> None:
    check_case(case, folder, EVERY, moments=MOMENTS, kills=KILLS)


def without_models(workshop: Workshop) -> dict[str, Words]:
    photographs = str(workshop.photographs)
    return {
        "phantoms": lambda out: ["phantoms", "--count", "3", "--phases", "I", "--size", "32", "--out", str(out)],
        "data import": lambda out: ["data", "import", photographs, "--out", str(out)],
        "data split": lambda out: ["data", "split", photographs, "--out", str(out)],
        "data split, folds": lambda out: [
            "data", "split", photographs, "--way", "cross-fitting", "--folds", "3", "--out", str(out),
        ],
        "data check": lambda out: ["data", "check", photographs, "--resolution", "32", "--out", str(out)],
    }  # fmt: skip


@pytest.fixture(scope="module")
def few(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Nine photographs: each command reads them some ten times."""
    photographs = Path(shutil.copytree(workshop.photographs, tmp_path_factory.mktemp("few") / "photographs"))
    table = photographs / "metadata.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:10]))
    return replace(workshop, photographs=photographs)


@pytest.mark.parametrize("verb", ["data import", "data split", "data split, folds"])
def test_a_full_disk_and_kills_cost_a_verb_nothing(verb: str, few: Workshop, tmp_path: Path) -> None:
    check_case(Case(verb, without_models(few)[verb]), tmp_path / "trials", ["full", KILL], moments=3, kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["phantoms", "data import", "data split", "data split, folds", "data check"])
def test_every_fault_costs_a_verb_nothing(verb: str, few: Workshop, tmp_path: Path) -> None:
    check_every(Case(verb, without_models(few)[verb]), tmp_path / "trials")


@pytest.mark.slow
def test_every_fault_costs_a_purge_nothing(few: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`data cache --purge`: what it did not write stays."""
    prepared = tmp_path / "prepared"
    monkeypatch.setenv("WOUNDGEN_PREPARED", str(prepared))
    config = ["--config", str(few.config), "--set", "max_steps=1", "--set", "evaluate_every_n_epochs=9"]
    assert run(["train", *config, "--data", str(few.photographs), "--out", str(tmp_path / "run")]) == 0
    (prepared / "mine.rgb").write_bytes(b"a picture of another program")

    def words(out: Path) -> list[str]:
        monkeypatch.setenv("WOUNDGEN_PREPARED", str(out))
        return ["data", "cache", "--purge"]

    case = Case("data cache", words, lambda out: shutil.copytree(prepared, out))
    faults = [KILL, "read-only", "failing", MOVED, RIVALS]  # a purge asks a disk for no space
    check_case(case, tmp_path / "trials", faults, moments=MOMENTS, kills=KILLS)


@pytest.mark.slow
def test_every_fault_costs_train_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """Six steps, and everything a run writes but run.json, whose times differ, and TensorBoard's files, of which each
    start makes its own; test_killed.py has more kills."""
    quick = ("--set", "max_steps=6", "--set", "evaluate_every_n_epochs=3")

    def look(place: Path) -> dict[str, object]:
        return {name: content for name, content in outcome(place).items() if "tensorboard" not in name}

    check_every(Case("train", lambda out: workshop.train(out, *quick), look=look), tmp_path / "trials")


def drawing(trained: Path) -> list[str]:
    return ["--adapter", str(trained), "--size", "32", "--steps", "2", "--block", "4", "--count", "8"]


@pytest.fixture(scope="module")
def drawn(trained: Path, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of eight images, and beside it its measures twice, as one.json and two.json."""
    out = tmp_path_factory.mktemp("faults") / "drawn"
    assert run(["generate", *drawing(trained), "--out", str(out)]) == 0
    for name in ("one", "two"):
        words = ["--generated", str(out), "--real", str(workshop.photographs), "--phase", "I"]
        assert run(["evaluate", *words, "--out", str(out.with_name(f"{name}.json"))]) == 0
    return out


def with_models(workshop: Workshop, trained: Path, drawn: Path) -> dict[str, Case]:
    """Verbs on what a run has left, and on a set that was drawn with it."""
    real, run_and_set = str(workshop.photographs), ["--generated", str(drawn), "--run", str(trained)]

    def copy_set(out: Path) -> None:
        shutil.copytree(drawn, out)
        shutil.copytree(drawn.with_name("drawn.private"), out.with_name("out.private"))

    cases = [
        Case("generate", lambda out: [
            "generate", *drawing(trained), "--policy", "report", "--real", real, "--out", str(out)]),
        Case("calibrate", lambda out: ["calibrate", "--real", real, "--run", str(trained), "--out", str(out)]),
        Case("report", lambda out: ["report", *run_and_set, "--private", "--out", str(out)]),
        Case("audit", lambda out: ["audit", *run_and_set, "--out", str(out)]),
        Case("evaluate", lambda out: ["evaluate", "--generated", str(out), "--real", real, "--phase", "I"], copy_set),
        Case("compare", lambda out: [
            "compare", str(drawn.with_name("one.json")), str(drawn.with_name("two.json")), "--out", str(out)]),
        Case("compare --adapter", lambda out: [
            "compare", "--adapter", str(trained), "--steps", "1", "--steps", "2", "--guidance", "1", "--phase", "I",
            "--count", "8", "--size", "32", "--real", real, "--out", str(out)]),
        Case("export", lambda out: ["export", str(trained), "--format", "kohya", "--out", str(out)]),
    ]  # fmt: skip
    return {case.name: case for case in cases}


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb", ["generate", "calibrate", "report", "audit", "evaluate", "compare", "compare --adapter", "export"]
)
def test_every_fault_costs_a_verb_with_models_nothing(
    verb: str, workshop: Workshop, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    check_every(with_models(workshop, trained, drawn)[verb], tmp_path / "trials")


@pytest.mark.slow
def test_every_fault_costs_fetch_nothing(
    base_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a hub on 127.0.0.1, into a cache of its own for each trial."""
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub")
    hub.put(base_folders["epsilon"], PINNED["sd21-base"][0])
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def words(out: Path) -> list[str]:
        monkeypatch.setenv("HF_HUB_CACHE", str(out / "cache"))
        monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(out / "weights"))
        return ["fetch", "sd21-base", "--mirror", hub.address]

    try:
        check_every(Case("fetch", words), tmp_path / "trials")
    finally:
        hub.server.shutdown()
        hub.server.server_close()


@pytest.mark.slow
def test_every_fault_costs_rebuild_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest stage, on eight phantoms repeated; the base's training is stopped and begun again in
    tests/unit/workflows/rebuild."""
    drawn = frame_phantoms(range(8), seed=1, margins=[None, 0.2] * 4)
    times = phantom_pool.CHUNK // 8
    repeated = FramedPhantoms(
        np.tile(drawn.images, (times, 1, 1, 1)), drawn.phases * times, np.tile(drawn.close_up, times),
        np.tile(drawn.centres, (times, 1)), {key: np.tile(values, times) for key, values in drawn.parameters.items()},
    )  # fmt: skip
    monkeypatch.setattr(phantom_pool, "_draw_framed", lambda first, seed: repeated)

    def words(out: Path) -> list[str]:
        return ["rebuild", "features", "--phantoms", "400", "--steps", "1", "--batch", "4", "--work", str(out)]

    check_every(Case("rebuild", words), tmp_path / "trials")


def count_files(place: Path) -> dict[str, object]:
    """Of a study: how many files lie in each folder. Names of pictures and links are drawn anew in each."""
    files = [path for path in place.rglob("*") if path.is_file() and path.name != ".woundgen.lock"]
    return dict(Counter(f"{path.relative_to(place).parent}/*{path.suffix}" for path in files))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words that name photographs of 18 patients and a synthetic set."""
    folder, words = tmp_path_factory.mktemp("clinic"), []
    for name, seed in (("real", 5), ("synthetic", 6)):
        place = str(folder / name)
        views = ["phantoms", "--count", "36", "--views", "2", "--size", "48", "--seed", str(seed), "--out", place]
        assert run(views) == 0
        words += [f"--{name}", place]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["study new", "utility"])
def test_every_fault_costs_a_study_nothing(verb: str, clinic: list[str], tmp_path: Path) -> None:
    """A study that a fault left whole is not drawn again: `study new` says that it is there."""
    cases = {
        "study new": Case("study new", lambda out: [
            "study", "new", *clinic, "--held-out", "--items", "12", "--repeats", "2", "--checks", "1", "--size", "32",
            "--out", str(out)], look=count_files, done="holds this study already"),
        "utility": Case("utility", lambda out: [
            "utility", *clinic, "--classifier", "colour", "--size", "32", "--doses", "0,1", "--folds", "3",
            "--runs", str(tmp_path / "runs"), "--out", str(out)]),
    }  # fmt: skip
    check_every(cases[verb], tmp_path / "trials")
