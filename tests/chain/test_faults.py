"""Every verb under a full, read-only or failing disk and under kills: one line, and the same command completes it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from woundgen.models.sources import PINNED

from ..unit.workflows.fetch.test_bases import Hub
from .conftest import Workshop
from .faults import FAULTS, MOVED, RIVALS, Case, check_case, run_with_fault

Words = Callable[[Path], Sequence[str]]
MOMENTS = int(os.environ.get("WOUNDGEN_FAULTS_MOMENTS", "7"))
"""Of each fault, drawn over the requests of an undisturbed run."""
EVERY = (*FAULTS, "kill", MOVED, RIVALS)


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
    check_case(Case(verb, without_models(few)[verb]), tmp_path, ["full", "kill"], moments=3)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["phantoms", "data import", "data split", "data split, folds", "data check"])
def test_every_fault_costs_a_verb_nothing(verb: str, workshop: Workshop, tmp_path: Path) -> None:
    check_case(Case(verb, without_models(workshop)[verb]), tmp_path, EVERY, moments=MOMENTS)


def draw(trained: Path, out: Path) -> None:
    words = ["generate", *drawing(trained), "--out", str(out)]
    code, _ = run_with_fault(words, at=0, fault="kill", errors=out.with_suffix(".txt"))
    assert code == 0, out.with_suffix(".txt").read_text()


def drawing(trained: Path) -> list[str]:
    return ["--adapter", str(trained), "--size", "32", "--steps", "2", "--block", "4", "--count", "8"]


def with_models(workshop: Workshop, trained: Path, folder: Path) -> dict[str, Case]:
    """Verbs on what a run has left; `folder` holds a set that was drawn with it."""
    real, drawn = str(workshop.photographs), folder / "drawn"
    run_and_set = ["--generated", str(drawn), "--run", str(trained)]

    def copy_set(out: Path) -> None:
        shutil.copytree(drawn, out)
        shutil.copytree(drawn.with_name("drawn.private"), out.with_name("out.private"))

    cases = [
        Case("generate", lambda out: [
            "generate", *drawing(trained), "--policy", "report", "--real", real, "--out", str(out)]),
        Case("calibrate", lambda out: ["calibrate", "--real", real, "--run", str(trained), "--out", str(out)]),
        Case("report", lambda out: [
            "report", "--run", str(trained), "--generated", str(drawn), "--private", "--out", str(out)]),
        Case("audit", lambda out: ["audit", *run_and_set, "--out", str(out)]),
        Case("evaluate", lambda out: ["evaluate", "--generated", str(out), "--real", real, "--phase", "I"], copy_set),
        Case("compare", lambda out: [
            "compare", str(folder / "one.json"), str(folder / "two.json"), "--out", str(out)]),
        Case("export", lambda out: ["export", str(trained), "--format", "kohya", "--out", str(out)]),
    ]  # fmt: skip
    return {case.name: case for case in cases}


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["generate", "calibrate", "report", "audit", "evaluate", "compare", "export"])
def test_every_fault_costs_a_verb_with_models_nothing(
    verb: str, workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    if verb in ("report", "audit", "evaluate", "compare"):
        draw(trained, tmp_path / "drawn")
    for name in ("one", "two") if verb == "compare" else ():
        words = ["evaluate", "--generated", str(tmp_path / "drawn"), "--real", str(workshop.photographs), "--phase"]
        words += ["I", "--out", str(tmp_path / f"{name}.json")]
        code, _ = run_with_fault(words, at=0, fault="kill", errors=tmp_path / "e.txt")
        assert code == 0, (tmp_path / "e.txt").read_text()
    check_case(with_models(workshop, trained, tmp_path)[verb], tmp_path / "trials", EVERY, moments=MOMENTS)


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
        check_case(Case("fetch", words), tmp_path / "trials", EVERY, moments=MOMENTS)
    finally:
        hub.server.shutdown()
        hub.server.server_close()


@pytest.mark.slow
def test_every_fault_costs_rebuild_nothing(tmp_path: Path) -> None:
    """The cheapest stage; the base's training is stopped and begun again in tests/unit/workflows/rebuild."""

    def words(out: Path) -> list[str]:
        return ["rebuild", "features", "--phantoms", "400", "--steps", "1", "--batch", "4", "--work", str(out)]

    check_case(Case("rebuild", words), tmp_path / "trials", EVERY, moments=MOMENTS)


def count_files(out: Path) -> dict[str, object]:
    """Of a study: how many files lie in each folder. Names of pictures and links are drawn anew in each."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".woundgen.lock"]
    return dict(Counter(f"{path.relative_to(out).parent}/*{path.suffix}" for path in files))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["study new", "utility"])
def test_every_fault_costs_a_study_nothing(verb: str, tmp_path: Path) -> None:
    """A study that a fault left whole is not drawn again: `study new` says that it is there."""
    real, synthetic = tmp_path / "real", tmp_path / "synthetic"
    for place, count, seed in ((real, 36, 5), (synthetic, 36, 6)):
        words = ["phantoms", "--count", str(count), "--views", "2", "--size", "48", "--seed", str(seed)]
        code, _ = run_with_fault([*words, "--out", str(place)], at=0, fault="kill", errors=tmp_path / "p.txt")
        assert code == 0, (tmp_path / "p.txt").read_text()
    places = ["--real", str(real), "--synthetic", str(synthetic)]
    cases = {
        "study new": Case("study new", lambda out: [
            "study", "new", *places, "--held-out", "--items", "12", "--repeats", "2", "--checks", "1", "--size", "32",
            "--out", str(out)], look=count_files, done="holds this study already"),
        "utility": Case("utility", lambda out: [
            "utility", *places, "--classifier", "colour", "--size", "32", "--doses", "0,1", "--folds", "3",
            "--runs", str(tmp_path / "runs"), "--out", str(out)]),
    }  # fmt: skip
    check_case(cases[verb], tmp_path / "trials", [*FAULTS, "kill"], moments=MOMENTS)
