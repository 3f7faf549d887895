"""`woundgen data import` on an export with every known oddity: exact rows, exact reasons; training reads the result."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.files.images import write_png
from woundgen.data.layouts.layout import CLINIC, same_field, unpadded
from woundgen.data.layouts.manifest import read_manifest
from woundgen.data.photo_set import gather
from woundgen.storage.files import sha256_file

from ....clinic_export import DEPTH, LEFT_OUT, TAKEN, write_export


@pytest.fixture
def export(tmp_path: Path) -> Path:
    write_export(tmp_path / "export")
    return tmp_path / "export"


def imported(export: Path, *words: str) -> Path:
    out = export.parent / "imported"
    table = str(export / "labels.csv")
    assert run(["data", "import", str(export), "--preset", "clinic", "--table", table, "--out", str(out), *words]) == 0
    return out


def test_rows_are_exactly_those_expected(export: Path) -> None:
    rows = read_manifest(imported(export))
    found = [(Path(r.photograph).name, r.group, r.label, astuple(r.box) if r.box else None) for r in rows]
    assert found == TAKEN
    assert [row.native_crop for row in rows] == [55, 55, 55, 52, 56]
    assert [row.source_row for row in rows][3] == "bounding_box_depth.csv:5 labels:5+6"
    assert all(row.sha256 == sha256_file(export / row.photograph) for row in rows)


def test_what_is_left_out_is_listed_and_reconciles(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = imported(export)
    with (out / "left_out.csv").open(newline="") as handle:
        listed = {int(row["source_row"].split(":")[1]): row["reason"] for row in csv.DictReader(handle)}
    assert listed == LEFT_OUT
    assert len(TAKEN) + len(LEFT_OUT) == len(DEPTH.splitlines())
    told = capsys.readouterr().out
    assert "18 rows: 5 taken, 13 left out" in told
    for reason, count in Counter(LEFT_OUT.values()).items():
        assert f"left out, {reason}: {count}" in told


def test_the_input_is_only_read(export: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, sha256_file(path)) for path in export.rglob("*") if path.is_file()}
    imported(export)
    assert {p: (p.stat().st_mtime_ns, sha256_file(p)) for p in export.rglob("*") if p.is_file()} == before


def test_another_modality_is_asked_for_by_name(export: Path) -> None:
    (row,) = read_manifest(imported(export, "--modality", "thermal_rgb"))
    assert (row.photograph, row.label, row.native_crop) == ("Thermal_RGB/0001_P001011BTRZ.png", "I", 40)


def test_training_reads_the_manifest(export: Path) -> None:
    for row in ("a", "b"):  # more of phases I and P, of other patients
        patient = {"a": "041", "b": "042"}[row]
        name = f"0050_P{patient}011BDRZ.png"
        write_png(export / "Depth_RGB" / name, np.full((96, 128, 3), 200, np.uint8), text={})
        with (export / "bounding_box_depth.csv").open("a") as handle:
            handle.write(f"{name},{patient},01,1,B,D,R,1,8,8,60,60\n")
        with (export / "labels.csv").open("a") as handle:
            handle.write(f"{int(patient)},1,1,,R\n")
    photos = gather(imported(export), phases=["R"], resolution=32, margin=0.1, train_share=0.5, seed=0)
    assert sorted(photo.group or "" for photo in photos.photos) == ["1", "2", "41", "42"]
    assert photos.images.shape == (4, 32, 32, 3)


def test_class_folders_import_too(tmp_path: Path) -> None:
    for phase in "IR":
        (tmp_path / "photos" / phase).mkdir(parents=True)
        for number in range(2):
            write_png(tmp_path / "photos" / phase / f"{number}.png", np.full((40, 60, 3), number, np.uint8), text={})
    out = tmp_path / "imported"
    assert run(["data", "import", str(tmp_path / "photos"), "--out", str(out)]) == 0
    rows = read_manifest(out)
    assert [(row.photograph, row.label, row.native_crop) for row in rows] == [
        ("I/0.png", "I", 40),
        ("I/1.png", "I", 40),
        ("R/0.png", "R", 40),
        ("R/1.png", "R", 40),
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--preset", "nosuch"], "nosuch"),
        (["--preset", "clinic"], "--table"),
        (["--preset", "clinic", "--table", "absent.csv"], "absent.csv"),
        (["--preset", "clinic", "--table", "absent.csv", "--modality", "xray"], "xray"),
        (["--table", "absent.csv"], "absent.csv"),
    ],
)
def test_mistakes(export: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = export.parent / "out"
    assert run(["data", "import", str(export), "--out", str(out), *words]) == 2
    assert named in capsys.readouterr().err
    assert not out.exists()


def test_nothing_taken_writes_nothing(export: Path) -> None:
    shutil.rmtree(export / "Depth_RGB")
    out = export.parent / "out"
    table = str(export / "labels.csv")
    assert run(["data", "import", str(export), "--preset", "clinic", "--table", table, "--out", str(out)]) == 2
    assert not out.exists()


def test_output_among_the_photographs_is_refused(export: Path) -> None:
    assert run(["data", "import", str(export), "--out", str(export / "out")]) == 2


def test_names_and_fields() -> None:
    fields = CLINIC.fields_of("0001_P001023BDRZ.png") or {}
    assert (fields["patient"], fields["visit"], fields["wound"], fields["camera"]) == ("001", "02", "3", "D")
    assert CLINIC.fields_of("0001_P001023BDRZ.png.exe") is None
    assert unpadded("007") == unpadded(" 7.0") == "7"
    assert same_field("B", "Before")
    assert not same_field("B", "After")
    assert not same_field("01", "10")


def test_photographs_in_folders_of_no_phase_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose name is no phase was passed over in silence, and most photographs with it."""
    for name in ("inflammatory/a.png", "Proliferative Phase/b.png", "inflammatory/deep/c.png", "d.png", "notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(tmp_path / "data" / name, np.zeros((20, 20, 3), np.uint8), text={})
    assert run(["data", "import", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    assert "left out, folder of no phase: 3" in capsys.readouterr().out
    assert [row.photograph for row in read_manifest(tmp_path / "out")] == ["inflammatory/a.png"]
