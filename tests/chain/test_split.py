"""`woundgen data split`: what it freezes is what every verb uses, and a leak ends each of them."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.data.folds import without_fold
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import read_manifest
from woundgen.data.photo_set import photographs_of
from woundgen.events import Event, Warn, complete
from woundgen.storage.files import sha256_file
from woundgen.workflows.utility.bank import build_bank, read_photographs

from .conftest import Workshop


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(30, 226, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)


def photographs(root: Path, *, patients: int = 24, named: bool = True, splits: dict[int, str] | None = None) -> Path:
    """Two photographs of each patient, of phases I and R in turn."""
    (root / "images").mkdir(parents=True)
    lines = ["file_name,phase,group_id,split"]
    for number in range(2 * patients):
        scene(number).save(root / "images" / f"{number:03d}.png")
        side = (splits or {}).get(number, "")
        patient = f"P{number // 2:03d}" if named else ""
        lines.append(f"images/{number:03d}.png,{'IR'[number // 2 % 2]},{patient},{side}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(words) == 2
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    words = ["--train", "0.5", "--validation", "0.25", "--holdout", "0.25", "--out", str(folder / "frozen")]
    assert run(["data", "split", str(photographs(folder / "data")), *words]) == 0
    return folder / "frozen"


def test_the_file_holds_whole_patients_and_its_digest(frozen: Path) -> None:
    rows = read_manifest(frozen)
    sides = defaultdict(set)
    for row in rows:
        sides[row.group].add(row.split)
    assert all(len(found) == 1 for found in sides.values())
    assert Counter((row.label, row.split) for row in rows) == {
        (phase, side): count for phase in "IR" for side, count in {"train": 12, "validation": 6, "holdout": 6}.items()
    }
    facts = json.loads((frozen / "import.json").read_text())
    assert (facts["grouping"], len(facts["digest"])) == ("patients", 64)
    table = frozen / "manifest.csv"
    before = table.read_bytes()
    table.write_bytes(before.replace(b",holdout,", b",train,", 1))
    try:
        with pytest.raises(Exception, match="changed after the import"):
            find_photos(frozen, phases=["I"])
    finally:
        table.write_bytes(before)


def test_same_input_same_split(frozen: Path, tmp_path: Path) -> None:
    words = ["--train", "0.5", "--validation", "0.25", "--holdout", "0.25"]
    source = str(frozen.parent / "data")
    assert run(["data", "split", source, *words, "--out", str(tmp_path / "again")]) == 0
    assert sha256_file(tmp_path / "again" / "manifest.csv") == sha256_file(frozen / "manifest.csv")
    assert run(["data", "split", source, *words, "--seed", "1", "--out", str(tmp_path / "other")]) == 0
    assert sha256_file(tmp_path / "other" / "manifest.csv") != sha256_file(frozen / "manifest.csv")
    assert run(["data", "split", source, *words, "--out", str(tmp_path / "again")]) == 0, "done already"
    assert sha256_file(tmp_path / "again" / "manifest.csv") == sha256_file(frozen / "manifest.csv")


def test_every_verb_reads_the_frozen_sides(
    frozen: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    want = {str(Path(row.photograph)): row.split for row in read_manifest(frozen) if row.label == "I"}
    out = tmp_path / "run"
    capsys.readouterr()
    assert run(workshop.train(out, "--set", "max_steps=2", data=frozen)) == 0
    assert "I: 12 train + 6 validation + 6 sealed" in capsys.readouterr().out  # half and twice a quarter of 24
    photos = photographs_of(out).photos
    assert {str(Path(p.path).relative_to(frozen.parent / "data")): p.split for p in photos} == want
    assert json.loads((out / "run.json").read_text())["data"]["grouping"] == "patients"
    made = tmp_path / "set"
    words = ["--count", "8", "--size", "32", "--steps", "1", "--policy", "report", "--release-copies"]
    real = ["--real", str(frozen)]
    assert run(["generate", "--adapter", str(out), *words, *real, "--out", str(made)]) == 0
    assert "does not hold just" not in capsys.readouterr().out  # screened against what was trained on
    held_out = ["evaluate", "--generated", str(made), "--phase", "I", *real]
    assert "6 images; at least 8" in refusal(held_out, capsys)  # validation alone, not all 24
    assert "6 images; at least 8" in refusal([*held_out, "--side", "holdout"], capsys)


def test_evaluate_refuses_sealed_patients_that_the_generator_saw(
    frozen: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained on the folder, whose sides the run deals anew, then asked about the frozen hold-out."""
    assert run(workshop.train(tmp_path / "runs" / "a", "--set", "max_steps=1", data=frozen.parent / "data")) == 0
    words = ["--count", "8", "--size", "32", "--steps", "1", "--out", str(tmp_path / "set")]
    assert run(["generate", "--adapter", str(tmp_path / "runs" / "a"), *words]) == 0
    told = refusal(
        ["evaluate", "--generated", str(tmp_path / "set"), "--run", str(tmp_path / "runs" / "a"), "--phase", "I",
         "--side", "holdout"], capsys,
    )  # fmt: skip
    assert "sealed no photograph of phase I" in told
    from woundgen.errors import UserError
    from woundgen.workflows.evaluate.sets import photographs_from, refuse_seen

    real = photographs_from(run=None, real=frozen, phase="I", size=32, margin=0, side="holdout")
    with pytest.raises(UserError, match="has seen 3 of the groups that are called sealed"):
        complete(refuse_seen(tmp_path / "set", real, runs=tmp_path / "runs"))
    events: list[Event] = []
    complete(refuse_seen(tmp_path / "set", real, runs=tmp_path / "nowhere"), events)
    assert isinstance(events[0], Warn)
    assert "is not known" in events[0].text


@pytest.mark.parametrize("verb", ["train", "evaluate", "generate", "utility", "data split"])
def test_a_group_on_two_sides_ends_every_verb(
    verb: str, workshop: Workshop, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Patient P001 has phase R alone; the leak is found by verbs that use phase I alone, too."""
    data = photographs(tmp_path / "data", splits={2: "train", 3: "holdout"})
    out = str(tmp_path / "out")
    words = {
        "train": workshop.train(tmp_path / "out", data=data),
        "evaluate": ["evaluate", "--generated", str(workshop.photographs), "--real", str(data), "--phase", "I"],
        "generate": ["generate", "--adapter", str(trained), "--count", "4", "--real", str(data), "--out", out],
        "utility": ["utility", "--real", str(data), "--synthetic", str(workshop.photographs), "--classes", "I,R",
                    "--out", out],
        "data split": ["data", "split", str(data), "--out", out],
    }[verb]  # fmt: skip
    told = refusal(words, capsys)
    assert "group 'P001' is on two sides" in told
    assert "002.png (train)" in told
    assert "003.png (holdout)" in told
    assert not (tmp_path / "out").exists()


def test_training_photographs_among_the_held_out_are_refused(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = photographs(tmp_path / "data")
    words = ["evaluate", "--generated", str(workshop.photographs), "--phase", "I", "--real", str(data)]
    assert "on two sides" in refusal([*words, "--training", str(data)], capsys)


def test_without_patients_clusters_serve_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photographs(tmp_path / "data", named=False)
    (data / "images" / "001.png").write_bytes((data / "images" / "000.png").read_bytes())
    assert run(["data", "split", str(data), "--out", str(tmp_path / "frozen")]) == 0
    assert "groups are near-duplicate clusters: 47" in capsys.readouterr().out
    assert json.loads((tmp_path / "frozen" / "import.json").read_text())["grouping"] == "near-duplicate clusters"
    rows = {Path(row.photograph).stem: row for row in read_manifest(tmp_path / "frozen")}
    assert (rows["000"].group, rows["000"].split) == (rows["001"].group, rows["001"].split)


def few_patients(root: Path) -> Path:
    """Phase I: one patient with 20 of 22 photographs."""
    data = photographs(root, patients=11)
    with (data / "metadata.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    lines = [f"{r['file_name']},I,{'P000' if n < 20 else f'P{n:03d}'}," for n, r in enumerate(rows)]
    (data / "metadata.csv").write_text("\n".join(["file_name,phase,group_id,split", *lines]) + "\n")
    return data


def test_where_it_cannot_be_had_the_ways_out_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = few_patients(tmp_path / "data"), tmp_path / "frozen"
    told = refusal(["data", "split", str(data), "--out", str(out)], capsys)
    assert "P000, has 20 of 22 photographs" in told
    assert "cross-fitting" in told
    assert '"no hold-out, no claim"' in told
    assert not out.exists()
    assert run(["data", "split", str(data), "--way", "no-hold-out", "--out", str(out)]) == 0
    assert "no hold-out, no claim" in capsys.readouterr().out
    assert {row.split for row in read_manifest(out)} == {"train", "validation"}
    assert json.loads((out / "import.json").read_text())["split"]["way"] == "no-hold-out"


def test_cross_fitting_seals_every_patient_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = photographs(tmp_path / "data"), tmp_path / "folds"
    assert run(["data", "split", str(data), "--way", "cross-fitting", "--folds", "3", "--out", str(out)]) == 0
    sealed = [{r.group for r in read_manifest(out / f"fold_{k}") if r.split == "holdout"} for k in (1, 2, 3)]
    assert sum(map(len, sealed)) == len(set().union(*sealed)) == 24
    for k in (1, 2, 3):
        assert {r.split for r in read_manifest(out / f"fold_{k}") if r.label == "I"} == {
            "train",
            "validation",
            "holdout",
        }
    assert {row.split for row in read_manifest(out)} == {None}
    told = refusal(["data", "split", str(data), "--way", "cross-fitting", "--folds", "30", "--out", "x"], capsys)
    assert "too few for 30 folds" in told


def test_the_frozen_folds_are_those_of_train_and_of_utility(tmp_path: Path) -> None:
    """Also where two patients share a photograph: they are held out together, by all three, under their own names."""
    data, out = photographs(tmp_path / "data", patients=12), tmp_path / "folds"
    shutil.copy(data / "images" / "000.png", data / "images" / "004.png")  # of P000 and of P002
    assert run(["data", "split", str(data), "--way", "cross-fitting", "--folds", "3", "--out", str(out)]) == 0
    real = read_photographs(data, classes=("I", "R"), size=32, margin=0.25, clusters=False)
    bank = build_bank(real, [], root=data, classes=("I", "R"), phases=(), doses=(), folds=3, seed=0)
    for k in (1, 2, 3):
        frozen = {row.photograph for row in read_manifest(out / f"fold_{k}") if row.split == "holdout"}
        trained = without_fold(data, phases=("I", "R"), folds=3, fold=k)
        sealed = [photo for photo in trained if photo.split == "holdout"]
        assert {str(Path(photo.path).relative_to(data)) for photo in sealed} == frozen
        assert {str(Path(real.photos[row].path).relative_to(data)) for row in bank.folds[k - 1].test} == frozen
        together = {str(photo.group) for photo in sealed} & {"P000", "P002"}
        assert len(together) in (0, 2)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--way", "lucky"], "lucky"),
        (["--train", "0.9"], "1.2"),
        (["--holdout", "0", "--train", "0.85"], "no-hold-out"),
        (["--train", "0", "--validation", "0.85"], "above 0"),
    ],
)
def test_mistakes(words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photographs(tmp_path / "data", patients=4)
    assert named in refusal(["data", "split", str(data), "--out", str(tmp_path / "out"), *words], capsys)
    assert not (tmp_path / "out").exists()
    assert "among the photographs" in refusal(["data", "split", str(data), "--out", str(data / "out")], capsys)
