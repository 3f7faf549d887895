"""`--json` of every verb: each line is an object, and the last is the verb's result with the documented keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from woundgen.cli import app, run

from .conftest import Workshop
from .test_study import play

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
ENDLESS = {"study serve", "review"}  # they end by a signal alone


def _split(words: str) -> list[str]:
    return words.split()


DRAW = _split("--count 8 --block 4 --steps 2 --size 32")


def documented() -> dict[str, set[str]]:
    """Heading of the page -> keys in its table; a heading may name several verbs."""
    keys: dict[str, set[str]] = {}
    for part in PAGE.read_text().split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        cells = re.findall(r"^\| (`.+?) \|", body.split("\n## ")[0], re.MULTILINE)
        found = {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}
        for verb in [heading] if " with " in heading else heading.split(", "):
            keys[verb.replace("`", "")] = found
    return keys


KEYS = documented()


@dataclass(frozen=True, slots=True)
class Places:
    """run: finished. drawn: 8 images of it, measured in `drawn/metrics.json`. fresh: a folder that nothing used."""

    workshop: Workshop
    run: Path
    drawn: Path
    study: Path
    fresh: Path


@pytest.fixture(scope="module")
def made(workshop: Workshop, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a set of the run, a reader study that both readers have answered)."""
    folder = tmp_path_factory.mktemp("json")
    drawn, study = folder / "drawn", folder / "study"
    assert run(["generate", "--adapter", str(trained), "--out", str(drawn), *DRAW]) == 0
    pictures = ["--real", str(workshop.photographs), "--synthetic", str(drawn), "--held-out", "--out", str(study)]
    sizes = _split("--items 8 --readers 2 --repeats 2 --checks 1 --size 32")
    words = ["study", "new", *pictures, "--runs", str(folder), *sizes]
    assert run([*words]) == 0
    play(study, right=0.7)
    return drawn, study


@pytest.fixture
def places(workshop: Workshop, trained: Path, made: tuple[Path, Path], tmp_path: Path) -> Places:
    return Places(workshop, trained, *made, tmp_path / "fresh")


def _train(at: Places, *more: str) -> list[str]:
    return at.workshop.train(at.run, *more)


def _evaluate(at: Places) -> list[str]:
    return ["--generated", str(at.drawn), "--real", str(at.workshop.photographs), "--phase", "I"]


# Heading of the page -> the words after the verb.
CALLS: dict[str, Callable[[Places], list[str]]] = {
    "data import": lambda at: [str(at.workshop.photographs), "--out", str(at.fresh)],
    "data split": lambda at: [str(at.workshop.photographs), "--way", "cross-fitting", "--folds", "2", "--out",
                              str(at.fresh)],
    "data check": lambda at: [str(at.workshop.photographs), "--resolution", "32", "--out", str(at.fresh)],
    "data cache": lambda at: [],
    "phantoms": lambda at: ["--count", "1", "--size", "16", "--out", str(at.fresh)],
    "train": lambda at: _train(at)[1:],
    "train --dry-run": lambda at: _train(at, "--dry-run")[1:],
    "calibrate": lambda at: ["--real", str(at.workshop.photographs), "--phase", "I", "--size", "32", "--out",
                             str(at.fresh)],
    "generate": lambda at: ["--adapter", str(at.run), "--out", str(at.drawn), *DRAW],
    "evaluate": _evaluate,
    "compare": lambda at: [str(_measured(at)), str(_measured(at)), "--out", str(at.fresh)],
    "audit": lambda at: ["--generated", str(at.drawn), "--run", str(at.run), "--out", str(at.fresh)],
    "report": lambda at: ["--run", str(at.run), "--generated", str(at.drawn), "--out", str(at.fresh)],
    "study new": lambda at: [*_split("--items 8 --readers 1 --repeats 0 --checks 0 --size 32 --held-out"), "--real",
                             str(at.workshop.photographs), "--synthetic", str(at.drawn), "--out", str(at.fresh)],
    "study new --plan": lambda at: ["--plan"],
    "study report": lambda at: [str(at.study), "--features", "none", "--out", str(at.fresh)],
    "export": lambda at: [str(at.run), "--format", "diffusers", "--out", str(at.fresh)],
    "push": lambda at: [str(at.drawn), "--repo", "me/wounds", "--unaudited", "--dry-run"],
    "fetch": lambda at: [],
    "doctor": lambda at: [],
    "config show": lambda at: [],
    "config validate": lambda at: [str(at.workshop.config)],
    "config schema": lambda at: [],
    "tune": lambda at: ["--config", str(at.workshop.config), "--data", str(_two_phases(at, count="96")),
                        *_split("--shares 0.4,0.3,0.3 --dry-run"), "--out", str(at.fresh)],
}  # fmt: skip
SLOW: dict[str, Callable[[Places], list[str]]] = {
    "train with several --config": lambda at: ["--config", str(at.workshop.config), "--config", str(_phase_r(at)),
                                               "--data", str(_two_phases(at)), "--devices", "0,1", "--out",
                                               str(at.fresh)],
    "utility": lambda at: ["--real", str(_two_phases(at)), "--synthetic", str(_two_phases(at, seed="8", count="36")),
                           *_split("--classes I,R --classifier colour --size 32 --doses 0,0.5,1 --folds 3"), "--runs",
                           str(at.fresh.parent), "--out", str(at.fresh)],
    "run": lambda at: [*_run(at), "--thresholds", str(_no_thresholds(at))],
    "run --plan": lambda at: [*_run(at), "--plan"],
    "rebuild": lambda at: ["features", *_split("--phantoms 400 --steps 1 --batch 4"), "--work", str(at.fresh)],
}  # fmt: skip


def _measured(at: Places) -> Path:
    out = at.fresh.parent / "metrics.json"
    if not out.exists():
        assert run(["evaluate", *_evaluate(at), "--out", str(out)]) == 0
    return out


def _two_phases(at: Places, *, seed: str = "5", count: str = "24") -> Path:
    folder = at.fresh.parent / f"phantoms_{seed}"
    words = ["phantoms", "--count", count, "--phases", "IR", "--size", "48", "--seed", seed, "--out", str(folder)]
    assert run(words) == 0
    return folder


def _phase_r(at: Places) -> Path:
    path = at.fresh.parent / "R.yaml"
    path.write_text(at.workshop.config.read_text().replace("- I\n", "- R\n"))
    return path


def _no_thresholds(at: Places) -> Path:
    path = at.fresh.parent / "thresholds.yaml"
    path.write_text("policy: report\n")
    return path


def _run(at: Places) -> list[str]:
    photographs = at.fresh.parent / "photographs"
    assert run(["phantoms", "--count", "56", "--phases", "I", "--size", "48", "--out", str(photographs)]) == 0
    settings = ["--config", str(at.workshop.config), "--set", "inference_steps_production=2", "--count", "20"]
    return [str(photographs), *settings, "--set", "probe_steps=1", "--out", str(at.fresh)]


def lines(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Each line of standard output, parsed."""
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("heading", [*CALLS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_last_line_is_the_result(heading: str, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    verb = re.split(r" --| with ", heading)[0]
    words = (CALLS | SLOW)[heading](places)
    rows = lines([*verb.split(), *words], capsys)
    assert {row["level"] for row in rows} <= {"info", "detail", "warning", "progress", "result"}
    assert [row["level"] for row in rows].index("result") == len(rows) - 1, "one result, and nothing after it"
    assert rows[-1]["verb"] == verb
    assert set(rows[-1]["result"]) == KEYS[heading]


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its parts take minutes and are left out."""
    from woundgen.workflows.demo.job import Demo

    for part in ("render_photographs", "write_pages"):
        monkeypatch.setattr(Demo, part, lambda self: None)
    monkeypatch.setattr(Demo, "run_phases", lambda self: {"I": {}, "R": {}})
    last = lines(["demo", "--out", str(tmp_path / "demo")], capsys)[-1]
    assert (last["level"], last["verb"], set(last["result"])) == ("result", "demo", KEYS["demo"])


@pytest.mark.parametrize(("verb", "module"), [("study serve", "study.serve"), ("review", "review.job")])
def test_serving_ends_in_the_result(
    verb: str, module: str, places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is how it ends: exit code 130."""

    class Server:
        url = "http://127.0.0.1:1"

        def run(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(f"woundgen.workflows.{module}.open_server", lambda *args, **kwargs: Server())
    folder = places.study if verb == "study serve" else places.drawn
    assert run([*verb.split(), str(folder), "--json"]) == 130
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (rows[-1]["level"], rows[-1]["verb"], set(rows[-1]["result"])) == ("result", verb, KEYS[verb])


def commands_below(group: Any, name: str = "") -> Iterator[str]:
    for word, command in group.commands.items():
        full = f"{name} {word}".strip()
        if getattr(command, "commands", None):
            yield from commands_below(command, full)
        else:
            yield full


def test_every_verb_is_documented_and_called() -> None:
    verbs = set(commands_below(typer.main.get_command(app)))
    assert {re.split(r" --| with ", heading)[0] for heading in KEYS} == verbs
    assert set(KEYS) == {*CALLS, *SLOW, *ENDLESS, "demo"}


def test_less_than_asked_for_is_an_error_with_code_3(
    places: Places, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    real = ["--real", str(places.workshop.photographs), "--budget", "8"]
    words = ["generate", "--adapter", str(places.run), "--out", str(tmp_path / "set"), *DRAW, *real, "--json"]
    assert run(words) == 3
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["level"], last["exit_code"]) == ("error", 3)
