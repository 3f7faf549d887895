"""`woundgen train --folds K`: one generator a fold, and `woundgen utility` that tests each on patients it never saw."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.privacy.marks import marks_of
from woundgen.records import Photo

from .conftest import Workshop, contents

FOLDS = 3
BRIEF = ("phases=[R]", "max_steps=2", "sample_images=0", "evaluate_every_n_epochs=1000", "save_every_n_epochs=1000")
SETTINGS = [word for setting in BRIEF for word in ("--set", setting)]
STUDY = ("--classifier", "colour", "--size", "32", "--doses", "0.5", "--phases", "R", "--folds", str(FOLDS))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 patients a phase, 2 photographs of each."""
    folder = tmp_path_factory.mktemp("clinic") / "photographs"
    assert run(["phantoms", "--count", "72", "--views", "2", "--size", "48", "--seed", "5", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def words(workshop: Workshop, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of the training of one generator a fold."""
    out = tmp_path_factory.mktemp("folds") / "runs" / "phase_R"
    return workshop.train(out, *SETTINGS, "--folds", str(FOLDS), data=photographs)


@pytest.fixture(scope="module")
def runs(words: list[str]) -> list[Path]:
    assert run(words) == 0
    out = Path(words[words.index("--out") + 1])
    assert not out.exists()  # it names the runs beside it
    return [out.with_name(f"phase_R_fold_{number}") for number in range(1, FOLDS + 1)]


@pytest.fixture(scope="module")
def drawn(runs: list[Path], photographs: Path) -> list[Path]:
    """A set of each generator, screened against what it was trained on."""
    sets = [folder.parent.parent / f"drawn_{folder.name}" for folder in runs]
    for folder, out in zip(runs, sets, strict=True):
        more = ["--real", str(photographs), "--policy", "report", "--count", "8", "--steps", "2", "--size", "32"]
        assert run(["generate", "--adapter", str(folder), *more, "--out", str(out)]) == 0
    return sets


def patients(photographs: Path, phase: str) -> dict[str, list[str]]:
    with (photographs / "metadata.csv").open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["phase"] == phase]
    return {row["group_id"]: [r["file_name"] for r in rows if r["group_id"] == row["group_id"]] for row in rows}


def seen_by(folder: Path, photographs: Path) -> set[str]:
    """Patients of phase R that a run's marks name, found with its key."""
    data = json.loads((folder / "run.json").read_text())["data"]
    return {
        patient
        for patient, files in patients(photographs, "R").items()
        for mark in marks_of(
            [Photo(str(photographs / file), "R", group=patient) for file in files],
            key=data["group_key"],
            roots=[photographs],
        )
        if set(mark) & set(data["training_groups"])
    }


def test_every_patient_is_left_out_of_one_generator(runs: list[Path], photographs: Path) -> None:
    everybody = set(patients(photographs, "R"))
    left_out = [everybody - seen_by(folder, photographs) for folder in runs]
    assert [len(one) for one in left_out] == [4, 4, 4]
    assert set().union(*left_out) == everybody
    for number, folder in enumerate(runs, start=1):
        record = json.loads((folder / "run.json").read_text())
        assert (record["config"]["fold"], record["config"]["folds"]) == (number, FOLDS)
        assert record["data"]["counts"]["R"]["holdout"] == 8
    assert len({json.loads((f / "run.json").read_text())["data"]["group_key"] for f in runs}) == FOLDS


def test_the_same_command_trains_nothing_again(words: list[str], runs: list[Path]) -> None:
    def steps() -> list[bytes]:
        return [content for one in runs for name, content in contents(one).items() if name.endswith("safetensors")]

    before = steps()
    assert run(words) == 0
    assert steps() == before


@pytest.mark.slow
def test_utility_tests_each_generator_on_its_own_fold(
    drawn: list[Path], runs: list[Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def study(sets: list[Path], out: Path, *more: str) -> int:
        named = [word for one in sets for word in ("--synthetic", str(one))]
        return run(
            [
                "utility",
                "--real",
                str(photographs),
                *named,
                "--runs",
                str(runs[0].parent),
                *STUDY,
                *more,
                "--out",
                str(out),
            ]
        )

    assert study(drawn, tmp_path / "all") == 0
    design = json.loads((tmp_path / "all" / "utility.json").read_text())["design"]
    assert design["test"] == "3 grouped folds"
    assert design["synthetic"] == {"R": 8}  # each fold draws from its own generator alone
    capsys.readouterr()
    assert study(drawn[1:], tmp_path / "two") == 2
    assert "train --folds" in capsys.readouterr().err
    assert study(drawn, tmp_path / "dealt_anew", "--seed", "1") == 2  # other folds: every generator has seen some
    assert not (tmp_path / "dealt_anew").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--folds", "13"), "12 groups, too few for 13 folds"),
        (("--folds", "3", "--resume", "latest"), "resumes automatically"),
        (("--set", "fold=1"), "give both, or neither"),
        (("--set", "fold=4", "--set", "folds=3"), "there are 3 folds"),
    ],
)
def test_folds_that_cannot_be(
    workshop: Workshop,
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    told: str,
) -> None:
    assert run(workshop.train(tmp_path / "run", *SETTINGS, *more, data=photographs)) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_sealed_hold_out_needs_no_folds(
    workshop: Workshop, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (photographs / "metadata.csv").read_text().splitlines()
    sealed = Path(shutil.copytree(photographs, tmp_path / "sealed"))
    lines = [f"{line},{'split' if not row else 'holdout' if row < 19 else ''}" for row, line in enumerate(table)]
    (sealed / "metadata.csv").write_text("\n".join(lines) + "\n")
    assert run(workshop.train(tmp_path / "run", *SETTINGS, "--folds", "2", data=sealed)) == 2
    assert "holds out patients already" in capsys.readouterr().err
