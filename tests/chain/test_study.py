"""`woundgen study` from photographs to a report, by its commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from woundgen.cli import run
from woundgen.metrics.measure import load_extractors
from woundgen.study.files import PICTURES, journal_path, read_study, read_truth
from woundgen.study.image_scores import score_images
from woundgen.study.session import Answer, Session, read_answers


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a frozen split of phantoms, two views a patient; a set of others, of another size)."""
    root = tmp_path_factory.mktemp("study")
    real = "phantoms --count 96 --views 2 --phases IR --size 48 --seed 5 --out"
    assert run([*real.split(), str(root / "real")]) == 0
    assert run(["data", "split", str(root / "real"), "--out", str(root / "frozen"), "--train", "0.4",
                "--validation", "0.2", "--holdout", "0.4"]) == 0  # fmt: skip
    assert (
        run(
            [
                *["phantoms", "--count", "40", "--phases", "IR", "--size", "64", "--seed", "9", "--out"],
                str(root / "set"),
            ]
        )
        == 0
    )
    return root / "frozen", root / "set"


def new(folders: tuple[Path, Path], out: Path, *more: str) -> int:
    frozen, drawn = folders
    words = ["study", "new", "--real", str(frozen), "--synthetic", str(drawn), "--out", str(out), "--size", "32"]
    return run([*words, "--items", "16", "--repeats", "4", "--checks", "1", "--readers", "2", *more])


@pytest.fixture
def study(folders: tuple[Path, Path], tmp_path: Path) -> Path:
    assert new(folders, tmp_path / "study") == 0
    return tmp_path / "study"


def play(folder: Path, *, right: float, seed: int = 0) -> None:
    """Both readers answer everything, with this share of calls right."""
    rng, truth = np.random.default_rng(seed), read_truth(folder)[0]
    for reader, order in read_study(folder).orders.items():
        session = Session(journal_path(folder, reader), order)
        for position, item in enumerate(order):
            one = truth[item]
            call = one.answer["call"] if one.answer else one.kind
            if rng.random() >= right:
                call = "real" if call == "synthetic" else "synthetic"
            answer = Answer(call, 4, one.phase or "unsure", 3, "a remark that stays here", 2.0)
            assert session.answer(position, f"{position:016x}", answer) == "saved"
        session.close()


def test_what_is_drawn(folders: tuple[Path, Path], study: Path) -> None:
    truth, _ = read_truth(study)
    kinds = [(one.kind, one.phase) for one in truth.values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ("real", "I"): 4, ("real", "R"): 4, ("synthetic", "I"): 4, ("synthetic", "R"): 4, ("check", ""): 1,
    }  # fmt: skip
    files = sorted((study / PICTURES).iterdir())
    assert {path.stem for path in files} == set(truth)
    assert len({path.stat().st_size for path in files}) == 1
    assert {Image.open(path).size for path in files} == {(32, 32)}
    assert study.stat().st_mode & 0o077 == 0
    assert all(len(order) == 16 + 4 + 1 for order in read_study(study).orders.values())


def test_photographs_are_of_the_sealed_side(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    """Only as many can be asked for as the sealed side has patients."""
    assert new(folders, tmp_path / "large", "--items", "80", "--per-patient", "1") == 2
    error = capsys.readouterr().err
    assert "held-out photographs of phase I can be shown (1 of a patient at most)" in error
    assert not (tmp_path / "large").exists()


def test_the_same_study_is_not_drawn_over(folders: tuple[Path, Path], study: Path, capsys) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert new(folders, study) == 2
    assert "holds this study already" in capsys.readouterr().err
    assert new(folders, study, "--seed", "1") == 2
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


def test_a_silent_set_needs_a_word(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    """Photographs without a split: those whose patients the generator has seen would be shown."""
    shutil.copytree(folders[1], tmp_path / "set", ignore=shutil.ignore_patterns("exposure.json"))
    pair = folders[0].with_name("real"), tmp_path / "set"
    assert new(pair, tmp_path / "study") == 2
    assert "has seen these photographs is not known" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
    assert new(pair, tmp_path / "study", "--held-out") == 0
    assert "on your word" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "new"], "--real, --synthetic and --out are needed"),
        (["study", "new", "--real", "SET", "--synthetic", "SET", "--out", "x"], "named twice"),
        (["study", "new", "--real", "REAL", "--synthetic", "SET", "--out", "x", "--side", "holdout"], "has no split"),
        (["study", "new", "--real", "FROZEN", "--synthetic", "SET", "--out", "x", "--side", "left"], "--side"),
        (["study", "new", "--real", "FROZEN", "--synthetic", "SET", "--out", "x", "--items", "9"], "even number"),
        (["study", "new", "--real", "FROZEN", "--synthetic", "SET", "--out", "x", "--phases", "P"], "phase P"),
        (["study", "serve", "SET"], "study.json"),
        (["study", "report", "SET"], "study.json"),
        (["review", "REAL"], "no generated images"),
    ],
)
def test_mistakes_are_one_line(
    folders: tuple[Path, Path], tmp_path: Path, capsys, monkeypatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"SET": folders[1], "FROZEN": folders[0], "REAL": folders[0].with_name("real")}
    assert run([str(places.get(word, word)) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "x").exists()


def test_the_plan_draws_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["study", "new", "--plan", "--items", "120", "--readers", "5"]) == 0
    told = capsys.readouterr().out
    assert "120 items (60 real, 60 synthetic) and 5 readers: accuracy to +-8.0%" in told
    assert "equivalence with 80% power, 5 readers: 182 items" in told
    assert list(tmp_path.iterdir()) == []


def test_the_report_gives_the_answers_back_and_no_photograph(folders: tuple[Path, Path], study: Path, capsys) -> None:
    play(study, right=1)
    assert run(["study", "report", str(study), "--private"]) == 0
    assert "2 readers could tell synthetic images from photographs: accuracy 100%" in capsys.readouterr().out
    record = json.loads((study / "report" / "study.json").read_text())
    assert record["pooled"]["AUC"]["value"] == 1
    assert [one["checks"] for one in record["readers"]] == [[1, 1], [1, 1]]
    assert [one["again"]["call"]["n"] for one in record["readers"]] == [4, 4]
    for name in ("study.html", "STUDY.md", "study.json"):
        page = (study / "report" / name).read_text()
        assert str(folders[0]) not in page
        assert "phantom-0" not in page
        assert "a remark that stays here" not in page
        assert 'alt="photograph' not in page
    assert "Do not share" in (study / "study_private.html").read_text()


def test_a_report_without_answers_says_so(study: Path, capsys) -> None:
    assert run(["study", "report", str(study), "--features", "none"]) == 2
    assert "no reader has answered" in capsys.readouterr().err


def test_metrics_are_held_against_the_readers_by_the_command(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Rank correlations of the report, computed anew with scipy from the pictures and answers on disk."""
    sets = [tmp_path / name for name in ("near", "middle", "far")]
    for seed, folder in enumerate(sets):
        assert run(["phantoms", "--count", "14", "--phases", "IR", "--size", "32", "--seed", f"{20 + seed}",
                    "--out", str(folder)]) == 0  # fmt: skip
        row = {"title": "FD", "metric": "fd", "network": "embedded", "label": "", "value": 3.0 + seed}
        (folder / "metrics.json").write_text(json.dumps({"rows": [row]}))
    study = tmp_path / "study"
    words = ["study", "new", "--real", str(folders[0]), "--out", str(study), "--size", "32", "--items", "24"]
    named = [word for folder in sets for word in ("--synthetic", str(folder))]
    assert run([*words, *named, "--repeats", "0", "--checks", "0", "--readers", "3", "--held-out"]) == 0
    play(study, right=0.7)
    assert run(["study", "report", str(study)]) == 0
    record = json.loads((study / "report" / "study.json").read_text())
    found = {row["name"]: row for row in record["predictors"]}
    truth, _ = read_truth(study)
    items = sorted(truth)
    synthetic = np.array([truth[name].kind == "synthetic" for name in items])
    pixels = np.stack([np.asarray(Image.open(study / PICTURES / f"{name}.png")) for name in items])
    (network,) = load_extractors(["embedded"])
    answers = [read_answers(journal_path(study, reader), order) for reader, order in read_study(study).orders.items()]
    ratings = np.array([[(1 if a["call"] == "synthetic" else -1) * a["confidence"] for name in items for a in rows
                         if a["item"] == name] for rows in answers]).mean(axis=0)  # fmt: skip
    expected = score_images(network.pooled(pixels), synthetic)
    assert len(expected) == 3
    for name, values in expected.items():
        row = found[f"embedded: {name}"]
        rho = spearmanr(values[synthetic], ratings[synthetic]).statistic
        assert (row["rho"], row["n"]) == (pytest.approx(rho), 12)
        assert row["low"] < rho < row["high"]
    (of_sets,) = record["set_metrics"]
    accuracies = [one["accuracy"]["value"] for one in record["by_set"]]
    assert of_sets["rho"] == pytest.approx(spearmanr([3, 4, 5], accuracies).statistic, nan_ok=True)
    assert (of_sets["n"], of_sets["low"]) == (3, None)  # three sets have no interval
    page = (study / "report" / "study.html").read_text()
    assert "two-sample classifier, log odds" in page
    assert "realism" in page
