"""`woundgen utility` on small phantoms: what it writes, how it goes on, and every bad input."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run

from .conftest import Workshop, contents

QUICK = ("--classifier", "colour", "--size", "32", "--doses", "0,0.5,1", "--folds", "3")


@dataclass(frozen=True, slots=True)
class Clinic:
    """real: 6 patients a phase, 2 photographs of each. synthetic: 24 images a phase."""

    real: Path
    synthetic: Path

    def words(self, out: Path, *more: str, real: Path | None = None, synthetic: Path | None = None) -> list[str]:
        places = ["--real", str(real or self.real), "--synthetic", str(synthetic or self.synthetic)]
        return ["utility", *places, *QUICK, "--runs", str(out.parent / "runs"), *more, "--out", str(out)]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    folder = tmp_path_factory.mktemp("clinic")
    real, synthetic = folder / "real", folder / "synthetic"
    assert run(["phantoms", "--count", "36", "--views", "2", "--size", "48", "--seed", "5", "--out", str(real)]) == 0
    assert run(["phantoms", "--count", "72", "--size", "48", "--seed", "6", "--out", str(synthetic)]) == 0
    return Clinic(real, synthetic)


def rewritten(folder: Path, source: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> Path:
    """A copy of a set whose rows went through `change`; None drops a row."""
    shutil.copytree(source, folder)
    with (source / "metadata.csv").open() as handle:
        rows = [new for row in csv.DictReader(handle) if (new := change(row)) is not None]
    with (folder / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def sealed(row: dict[str, str]) -> dict[str, str]:
    """Patients of the second half are held out."""
    return {**row, "split": "holdout" if int(row["group_id"][-5:]) >= 9 else ""}


def seen_by_generator(folder: Path, source: Path, groups: list[str]) -> Path:
    shutil.copytree(source, folder)
    record = {"trained_on": [{"key": None, "groups": groups}]}
    (folder / "exposure.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def finished(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "utility"
    assert run(clinic.words(out)) == 0
    return out


def test_everything_is_reported(finished: Path, clinic: Clinic) -> None:
    record = json.loads((finished / "utility.json").read_text())
    assert record["design"]["test"] == "3 grouped folds"
    assert record["design"]["tested"]["I"] == {"images": 12, "groups": 6}
    names = {arm["name"] for arm in record["arms"]}
    assert {"real", "augmented", "oversampled x0.5", "real + synthetic x1", "synthetic only"} < names
    assert {one["arm"] for one in record["chosen"]} == {"most realistic x1", "nearest to the boundary x1"}
    assert set(record["arms"][0]["scores"]) == {
        "kappa", "macro F1", "Brier score", *(f"{what} {phase}" for what in ("F1", "recall") for phase in "IPR")
    }  # fmt: skip
    for page in ("UTILITY.md", "utility.html"):
        text = (finished / page).read_text()
        assert record["verdict"]["sentence"] in text
        assert "calibration error" in text
        assert "phantom-" not in text  # no patient
        assert str(clinic.real) not in text


def test_the_same_command_trains_nothing_again(finished: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(finished)
    monkeypatch.setattr("woundgen.downstream.linear.fit_linear", None)
    assert run(clinic.words(finished)) == 0
    assert contents(finished) == before


def test_after_a_loss_only_what_is_missing_is_trained(
    finished: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill would leave it: no pages, some fits."""
    from woundgen.downstream import linear

    before, calls, fit = contents(finished), [], linear.fit_linear
    lost = sorted((finished / "cache" / "fits").iterdir())[:4]
    for path in [*lost, *(finished / name for name in ("utility.json", "UTILITY.md", "utility.html"))]:
        path.unlink()

    def counted(*arguments: object, **named: object) -> object:
        calls.append(1)
        return fit(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(linear, "fit_linear", counted)
    assert run(clinic.words(finished)) == 0
    assert contents(finished) == before
    assert len(calls) >= 4
    assert len(calls) <= 4 * 5  # equal trainings of several seeds may run at once


@pytest.mark.parametrize(
    "more",
    ["--seeds 6", "--size 40", "--margin 1", "--seed 1", "--doses 1", "--classes I,R", "--phases R", "--folds 2"],
)
def test_another_study_is_refused(
    finished: Path, clinic: Clinic, capsys: pytest.CaptureFixture[str], more: str
) -> None:
    """Each option makes another study: none is read and dropped."""
    assert run(clinic.words(finished, *more.split())) == 2
    assert "holds another study of utility" in capsys.readouterr().err


def test_the_network_is_asked_where_it_is_named(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = set()

    def stand_in(images: object, rows: object, labels: object, query: list[int], *, classes: int, seed: int) -> object:
        seeds.add(seed)
        return np.full((len(query), classes), 1 / classes)

    monkeypatch.setattr("woundgen.downstream.cnn.train_cnn", stand_in)
    assert run(clinic.words(tmp_path / "out", "--classifier", "cnn", "--doses", "0.5")) == 0
    record = json.loads((tmp_path / "out" / "utility.json").read_text())
    assert record["classifier"] == "cnn"
    assert seeds == set(range(5))
    assert {arm["scores"]["kappa"]["value"] for arm in record["arms"]} == {0.0}  # everything is called I


def test_embedded_reads_the_feature_network(clinic: Clinic, tmp_path: Path) -> None:
    from woundgen.features.embedded import feature_network

    assert run(clinic.words(tmp_path / "out", "--classifier", "embedded", "--doses", "0.5")) == 0
    record = json.loads((tmp_path / "out" / "utility.json").read_text())
    assert record["classifier_settings"]["features"] == feature_network()[1]


def test_a_sealed_hold_out_is_what_is_tested(clinic: Clinic, tmp_path: Path) -> None:
    """And the minority alone is added to, and a command serves as classifier."""
    real = rewritten(tmp_path / "real", clinic.real, sealed)
    script = tmp_path / "classify.py"
    script.write_text(
        "import csv, sys\n"
        "names = [row['file_name'] for row in csv.DictReader(open(sys.argv[2]))]\n"
        "csv.writer(open(sys.argv[3], 'w')).writerows([['file_name', 'phase'], *([name, 'R'] for name in names)])\n"
    )
    words = clinic.words(
        tmp_path / "out", "--classifier", f"{sys.executable} -IS {script}", "--phases", "R", "--doses", "3", real=real
    )
    assert run(words) == 0
    record = json.loads((tmp_path / "out" / "utility.json").read_text())
    assert record["design"]["test"] == "sealed hold-out"
    assert record["design"]["tested"]["R"] == {"images": 6, "groups": 3}
    assert record["design"]["synthetic"] == {"R": 24}
    assert record["verdict"]["word"] == "too little data to say"
    assert "3 of phase I" in record["verdict"]["sentence"]
    scores = record["arms"][0]["scores"]
    assert (scores["recall R"]["value"], scores["recall I"]["value"], scores["kappa"]["value"]) == (1, 0, 0)


def test_colour_needs_no_torch(clinic: Clinic, tmp_path: Path) -> None:
    code = (
        "import sys; from woundgen.cli import run; code = run(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    words = clinic.words(tmp_path / "out", "--doses", "0.5", "--classes", "I,R", "--folds", "2")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def without_groups(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key != "group_id"}


def refused(words: list[str], told: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(words) == 2
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_no_groups(clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real, out = rewritten(tmp_path / "real", clinic.real, without_groups), tmp_path / "out"
    refused(clinic.words(out, real=real), "does not name the patient of every photograph", out, capsys)
    assert run(clinic.words(out, "--clusters", real=real)) == 0
    assert "near-duplicate clusters" in (out / "UTILITY.md").read_text()


def test_a_hold_out_that_the_generator_touched(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, out = rewritten(tmp_path / "real", clinic.real, sealed), tmp_path / "out"
    touched = seen_by_generator(
        tmp_path / "touched", clinic.synthetic, ["phantom-00000", "phantom-00010", "phantom-00011"]
    )
    refused(clinic.words(out, real=real, synthetic=touched), "has seen 2 of the 9 test groups", out, capsys)
    clean = seen_by_generator(tmp_path / "clean", clinic.synthetic, ["phantom-00000", "phantom-00008"])
    assert run(clinic.words(out, "--doses", "0.5", real=real, synthetic=clean)) == 0


def test_one_generator_that_saw_some_of_every_fold(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = seen_by_generator(tmp_path / "all", clinic.synthetic, [f"phantom-{i:05d}" for i in range(18)])
    out = tmp_path / "out"
    refused(clinic.words(out, synthetic=everybody), "has seen 18 of the 18 test groups, some in each", out, capsys)


def test_one_generator_a_fold(clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has seen all but one fold's patients, so each fold draws from its own set; without one it is refused."""
    from woundgen.data.folds import deal_folds

    with (clinic.real / "metadata.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    labels, groups = np.array(["IPR".index(row["phase"]) for row in rows]), [row["group_id"] for row in rows]
    tested = [{groups[row] for row in fold} for fold in deal_folds(labels, groups, folds=3, seed=0)]
    names = [
        seen_by_generator(tmp_path / f"set_{number}", clinic.synthetic, sorted(set(groups) - own))
        for number, own in enumerate(tested)
    ]
    more = [word for name in names[1:] for word in ("--synthetic", str(name))]
    assert run(clinic.words(tmp_path / "out", *more, synthetic=names[0])) == 0
    record = json.loads((tmp_path / "out" / "utility.json").read_text())
    assert record["design"]["synthetic"] == {"I": 24, "P": 24, "R": 24}  # of the fold's own set alone
    refused(clinic.words(tmp_path / "two", *more, synthetic=names[1]), "of one of the folds", tmp_path / "two", capsys)


def test_a_set_that_does_not_say_what_it_saw(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "silent"
    shutil.copytree(clinic.synthetic, silent)
    (silent / "exposure.json").unlink()
    refused(clinic.words(tmp_path / "out", synthetic=silent), "does not say which patients", tmp_path / "out", capsys)


def test_a_set_without_labels(clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare, out = tmp_path / "bare", tmp_path / "out"
    shutil.copytree(clinic.synthetic / "images", bare)
    refused(clinic.words(out, synthetic=bare), "neither metadata.csv", out, capsys)
    unlabelled = rewritten(tmp_path / "x", clinic.synthetic, lambda row: {k: v for k, v in row.items() if k != "phase"})
    refused(clinic.words(out, synthetic=unlabelled), "no column phase or label", out, capsys)


def test_values_of_another_range(clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values of 0..1 written as 0..255: black, and nobody noticed for weeks."""
    dark, out = tmp_path / "dark", tmp_path / "out"
    shutil.copytree(clinic.synthetic, dark)
    for path in (dark / "images").iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image) / 255
        Image.fromarray(np.rint(pixels).astype(np.uint8)).save(path)
    refused(clinic.words(out, synthetic=dark), "98 % of the photographs have", out, capsys)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--classes", "I"), "One class only"),
        (("--classes", "I,X"), "unknown phase 'X'"),
        (("--phases", "I,Q"), "--phases Q: no set has images of it"),
        (("--doses", "0"), "no dose above 0"),
        (("--doses", "1,much"), "are not numbers"),
        (("--doses", "-1"), "0..100"),
        (("--doses", "9"), "Dose 9 needs 72 images"),
        (("--classifier", "no-such-program --fast"), "nor a command that can be found"),
        (("--folds", "7"), "6 groups, too few for 7 folds"),
    ],
)
def test_requests_that_cannot_be(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], told: str
) -> None:
    refused(clinic.words(tmp_path / "out", *more), told, tmp_path / "out", capsys)


def test_dinov2_names_the_command_that_fetches_it(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WOUNDGEN_WEIGHTS", str(tmp_path / "none"))
    words = clinic.words(tmp_path / "out", "--classifier", "dinov2")
    refused(words, "woundgen fetch dinov2-small", tmp_path / "out", capsys)


def test_dinov2_is_read_where_it_is_there(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for its weights: colours of the corners."""

    def stand_in(name: str) -> SimpleNamespace:
        return SimpleNamespace(
            digest=f"digest of {name}", pooled=lambda images: images[:, ::31, ::31].reshape(-1, 12) / 9
        )

    monkeypatch.setattr("woundgen.features.load.load_extractor", stand_in)
    assert run(clinic.words(tmp_path / "out", "--classifier", "dinov2", "--doses", "0.5")) == 0
    record = json.loads((tmp_path / "out" / "utility.json").read_text())
    assert record["classifier_settings"]["features"] == "digest of dinov2-small"


def test_a_command_that_fails(clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = clinic.words(tmp_path / "out", "--classifier", f"{sys.executable} -c 'raise SystemExit(3)'")
    assert run(words) == 2
    told = capsys.readouterr().err
    assert "ended with exit code 3" in told
    assert "Traceback" not in told
    assert not (tmp_path / "out" / "utility.json").exists()


def test_run_and_set_carry_what_they_saw(
    workshop: Workshop, trained: Path, clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train, draw, ask for its use: exit 2 while the run's key is away, and with it the count of patients."""
    data = json.loads((trained / "run.json").read_text())["data"]
    assert len(data["training_groups"]) == 24 + 24  # groups and photographs, all of them looked at
    drawn = tmp_path / "drawn"
    words = ["generate", "--adapter", str(trained), "--count", "4", "--steps", "2", "--size", "32", "--out", str(drawn)]
    assert run(words) == 0
    text = (drawn / "exposure.json").read_text()
    assert data["group_key"] not in text
    assert set(json.loads(text)["trained_on"][0]["groups"]) == set(data["training_groups"])
    mixed = tmp_path / "mixed"
    shutil.copytree(workshop.photographs, mixed)
    for row in (clinic.real / "images").iterdir():
        shutil.copy(row, mixed / "images" / f"other_{row.name}")
    _append_rows(mixed, clinic.real)
    out = tmp_path / "out"
    more = ("--phases", "I", "--doses", "0.1")
    plain = clinic.words(out, *more, real=mixed, synthetic=drawn)
    refused(plain, "is in no run here", out, capsys)
    found = [word if word != str(tmp_path / "runs") else str(trained.parent) for word in plain]
    refused(found, "has seen 24 of the 42 test groups, some in each of the 3 folds", out, capsys)


def _append_rows(folder: Path, source: Path) -> None:
    """The photographs of another clinic, its patients renamed."""
    with (source / "metadata.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    with (folder / "metadata.csv").open("a", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        for row in rows:
            name = "images/other_" + row["file_name"].removeprefix("images/")
            writer.writerow({**row, "file_name": name, "group_id": "other-" + row["group_id"]})


def test_the_study_joins_the_report(finished: Path, trained: Path, tmp_path: Path) -> None:
    assert run(["report", "--run", str(trained), "--utility", str(finished), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert json.loads((finished / "utility.json").read_text())["verdict"]["sentence"] in page
    assert "Which images help" in page


def test_a_report_without_the_study_it_names(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", "--run", str(trained), "--utility", str(tmp_path / "no"), "--out", str(tmp_path / "out")]
    refused(words, "utility.json does not exist", tmp_path / "out", capsys)
