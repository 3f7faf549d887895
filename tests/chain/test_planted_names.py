"""A patient's name in table, folder, file, prompt, label, title and run: refused in one line, or in no public byte."""

from __future__ import annotations

import csv
import json
import shutil
import socket
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.storage.names import TENSORBOARD

from .conftest import Workshop

NAME = "Meier-Hans-1953"
PROMPT = f"a wound of {NAME}, seen from above"


@pytest.fixture(scope="module")
def clinic(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workshop's photographs; the folder, every fourth file and every patient carry the name."""
    folder = tmp_path_factory.mktemp("clinic") / f"Patients_{NAME}"
    shutil.copytree(workshop.photographs, folder)
    with (folder / "metadata.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    for number, row in enumerate(rows):
        row["group_id"] = NAME if number < 3 else f"{NAME}-{number}"
        if number % 4 == 0:
            renamed = f"images/{NAME}_{number}.png"
            (folder / row["file_name"]).rename(folder / renamed)
            row["file_name"] = renamed
    with (folder / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def ran(workshop: Workshop, clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "phase_I"
    assert run(workshop.train(out, "--set", "max_steps=2", data=clinic)) == 0
    return out


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(words) == 2, words
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "private" in error
    return error


def test_a_training_prompt_that_names_a_patient_is_refused(
    workshop: Workshop, clinic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The adapter's file carries its prompt wherever it goes."""
    refused(
        workshop.train(tmp_path / "run", "--set", "prompts=custom", "--set", f"prompt={PROMPT}", data=clinic), capsys
    )
    assert not (tmp_path / "run").exists()


def draw(ran: Path, clinic: Path, out: Path, *more: str) -> list[str]:
    words = ["generate", "--adapter", str(ran), "--real", str(clinic), "--count", "8", "--size", "32", "--steps", "1"]
    return [*words, "--policy", "report", "--release-copies", "--out", str(out), *more]


@pytest.mark.slow
def test_what_would_carry_the_name_is_refused(
    ran: Path, clinic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "set"
    assert run(draw(ran, clinic, drawn)) == 0
    named_run = Path(shutil.copytree(ran, tmp_path / "named"))
    record = json.loads((named_run / "run.json").read_text())
    (named_run / "run.json").write_text(json.dumps(record | {"name": NAME}))
    cases = [
        draw(ran, clinic, tmp_path / "a", "--prompt", PROMPT),
        draw(ran, clinic, tmp_path / "b", "--label", NAME),
        ["export", str(ran), "--format", "diffusers", "--title", f"of {NAME}", "--out", str(tmp_path / "c")],
        ["export", str(ran), "--format", "diffusers", "--out", str(tmp_path / f"of {NAME}")],
        ["report", "--run", str(named_run), "--out", str(tmp_path / "d")],
    ]
    for words in cases:
        refused(words, capsys)
    written = [path for name in "abcd" for path in (tmp_path / name).rglob("*") if path.suffix in (".png", ".html")]
    assert not written


def test_pages_of_utility_name_nobody(tmp_path: Path) -> None:
    """Folders, files and patients of photographs and images carry the name."""
    real, synthetic = tmp_path / f"real_{NAME}", tmp_path / f"synthetic_{NAME}"
    for place, count, seed in ((real, 36, 5), (synthetic, 36, 6)):
        words = ["phantoms", "--count", str(count), "--size", "48", "--seed", str(seed)]
        assert run([*words, "--out", str(place)]) == 0
        with (place / "metadata.csv").open() as handle:
            rows = list(csv.DictReader(handle))
        for number, row in enumerate(rows):
            renamed = f"images/{NAME}_{number}.png"
            (place / row["file_name"]).rename(place / renamed)
            row |= {"file_name": renamed, "group_id": f"{place.name}-{NAME}-{number}"}
        with (place / "metadata.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    out = tmp_path / "utility"
    words = ["utility", "--real", str(real), "--synthetic", str(synthetic), "--classifier", "colour", "--size", "32"]
    words += ["--doses", "0,1", "--folds", "3", "--runs", str(tmp_path / "runs")]
    assert run([*words, "--out", str(out)]) == 0
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"utility.html", "utility.json", "UTILITY.md"} <= {path.name for path in files}
    assert not [str(path) for path in files if NAME.casefold().encode() in path.read_bytes().lower()]
    assert not [str(path) for path in files if NAME in str(path.relative_to(out))]


@pytest.mark.slow
def test_no_public_byte_holds_the_name(ran: Path, clinic: Path, tmp_path: Path) -> None:
    """Every verb that writes something to share, with the options that write most."""
    drawn, real = tmp_path / "set", str(clinic)
    chosen = ["--generated", str(drawn), "--run", str(ran)]
    commands = [
        draw(ran, clinic, drawn),
        ["evaluate", "--generated", str(drawn), "--real", real, "--phase", "I"],
        ["evaluate", "--generated", str(drawn), "--real", real, "--phase", "I", "--out", str(tmp_path / "again.json")],
        ["compare", str(drawn), str(tmp_path / "again.json"), "--out", str(tmp_path / "compared")],
        ["audit", *chosen, "--out", str(tmp_path / "audit")],
        ["calibrate", "--real", real, "--run", str(ran), "--out", str(tmp_path / "calibration")],
        ["report", *chosen, "--private", "--out", str(tmp_path / "report")],
        ["export", str(ran), "--format", "diffusers", "--out", str(tmp_path / "exported")],
        ["study", "new", "--real", real, "--held-out", "--synthetic", str(drawn), "--items", "8", "--repeats", "0",
         "--checks", "0", "--readers", "1", "--size", "32", "--out", str(tmp_path / "study.private")],
    ]  # fmt: skip
    for words in commands:
        assert run(words) == 0, words
    public = [path for path in tmp_path.rglob("*") if path.is_file() and ".private" not in str(path)]
    public += [path for path in (ran / "checkpoints").rglob("*") if path.is_file()]
    assert len(public) > 25
    assert not [str(path) for path in public if NAME.casefold().encode() in path.read_bytes().lower()]
    assert not [str(path) for path in public if NAME in path.name]
    host = socket.gethostname()
    assert not [path.name for path in (ran / TENSORBOARD).rglob("*") if len(host) > 3 and host in path.name]
