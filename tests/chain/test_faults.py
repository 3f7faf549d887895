"""Every verb under a full, read-only or failing disk and under kills: one line, and the same command completes it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from .conftest import Workshop
from .faults import FAULTS, outcome, run_with_fault

Words = Callable[[Path], Sequence[str]]
MOMENTS = 7  # of each fault, drawn over the requests of an undisturbed run


def check_verb(words: Words, folder: Path, faults: Sequence[str], *, moments: int) -> None:
    """Run undisturbed once, then with each fault at `moments` places; the same command then gives the same bytes."""
    whole = folder / "whole" / "out"
    whole.parent.mkdir(parents=True)
    code, requests = run_with_fault(words(whole), at=0, fault="kill", errors=folder / "whole.txt")
    assert code == 0, (folder / "whole.txt").read_text()
    expected = outcome(whole)
    chance = random.Random(1)
    for fault in faults:
        for at in sorted(chance.sample(range(1, requests + 1), min(moments, requests))):
            place = folder / f"{fault}_{at}"
            place.mkdir()
            code, _ = run_with_fault(words(place / "out"), at=at, fault=fault, errors=place / "errors.txt")
            said = (place / "errors.txt").read_text()
            if fault == "kill":
                assert code == -9
            else:
                assert (code, said.count("\n")) == (2, 1), f"{fault} at {at}: {code}\n{said}"
                assert said.startswith("error: ")
            code, _ = run_with_fault(words(place / "out"), at=0, fault="kill", errors=place / "again.txt")
            assert code == 0, (place / "again.txt").read_text()
            assert outcome(place / "out") == expected, f"{fault} at {at}"


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


@pytest.mark.parametrize("verb", ["data import", "data split", "data split, folds"])
def test_a_full_disk_and_kills_cost_a_verb_nothing(verb: str, workshop: Workshop, tmp_path: Path) -> None:
    check_verb(without_models(workshop)[verb], tmp_path, ["full", "kill"], moments=3)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["phantoms", "data import", "data split", "data split, folds", "data check"])
def test_every_fault_costs_a_verb_nothing(verb: str, workshop: Workshop, tmp_path: Path) -> None:
    check_verb(without_models(workshop)[verb], tmp_path, [*FAULTS, "kill"], moments=MOMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["generate", "calibrate", "report", "audit"])
def test_every_fault_costs_a_verb_with_models_nothing(
    verb: str, workshop: Workshop, trained: Path, tmp_path: Path
) -> None:
    drawing = ["--adapter", str(trained), "--size", "32", "--steps", "2", "--block", "4", "--count", "8"]
    drawn = tmp_path / "drawn"
    if verb in ("report", "audit"):
        code, _ = run_with_fault(
            ["generate", *drawing, "--out", str(drawn)], at=0, fault="kill", errors=tmp_path / "d.txt"
        )
        assert code == 0
    photographs = str(workshop.photographs)
    words: dict[str, Words] = {
        "generate": lambda out: [
            "generate", *drawing, "--policy", "report", "--real", photographs, "--out", str(out),
        ],
        "calibrate": lambda out: ["calibrate", "--real", photographs, "--run", str(trained), "--out", str(out)],
        "report": lambda out: [
            "report", "--run", str(trained), "--generated", str(drawn), "--private", "--out", str(out),
        ],
        "audit": lambda out: ["audit", "--generated", str(drawn), "--run", str(trained), "--out", str(out)],
    }  # fmt: skip
    check_verb(words[verb], tmp_path / "trials", [*FAULTS, "kill"], moments=MOMENTS)
