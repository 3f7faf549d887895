"""Layouts that a user writes: columns, names, words, and tables joined by keys; every mistake names file and key."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from woundgen.cli import run
from woundgen.data.files.images import write_png
from woundgen.data.layouts.layout import CLINIC
from woundgen.data.layouts.layout_file import read_layout
from woundgen.data.layouts.manifest import read_left_out, read_manifest
from woundgen.errors import UserError

from ....clinic_export import LEFT_OUT, TAKEN, write_export


def photograph(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, np.full((40, 50, 3), 90, np.uint8), text={})


def imported(tmp_path: Path, text: str, *words: str) -> Path:
    (tmp_path / "mine.yaml").write_text(text)
    out = tmp_path / "imported"
    assert run(["data", "import", str(tmp_path / "data"), "--mapping", str(tmp_path / "mine.yaml"), *words, "--out",
                str(out)]) == 0  # fmt: skip
    return out


def test_names_alone(tmp_path: Path) -> None:
    for name in ("P1/inflamed_1.png", "P1/scarred_2.png", "P2/train_inflamed_3.png", "P2/unknown_4.png", "stray.png"):
        photograph(tmp_path / "data" / name)
    text = "name: '(?P<group>P[0-9]+)/((?P<split>train)_)?(?P<phase>[a-z]+)_.*'\nvalues: {inflamed: I, scarred: R}\n"
    out = imported(tmp_path, text)
    found = [(row.photograph, row.label, row.group, row.split) for row in read_manifest(out)]
    assert found == [
        ("P1/inflamed_1.png", "I", "P1", None),
        ("P1/scarred_2.png", "R", "P1", None),
        ("P2/train_inflamed_3.png", "I", "P2", "train"),
    ]
    assert {(one.source_row, one.reason) for one in read_left_out(out)} == {
        ("P2/unknown_4.png", "unknown label"),
        ("stray.png", "file name not of the expected form"),
    }


def test_columns_and_names(tmp_path: Path) -> None:
    lines = [
        "Picture,Stage,Subject",
        "P1_1.png,inflamed,",
        "P2_1.png,scarred,P2",
        "P3_1.png,scarred,P4",
        "P5_1.png,odd,",
    ]
    for line in lines[1:]:
        photograph(tmp_path / "data" / line.split(",")[0])
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    text = (
        "columns: {file_name: Picture, phase: [Phase, Stage], group: Subject}\n"
        "name: '(?P<group>P[0-9]+)_.*'\nvalues: {inflamed: I, scarred: R}\n"
    )
    out = imported(tmp_path, text, "--table", str(tmp_path / "list.csv"))
    assert [(row.label, row.group) for row in read_manifest(out)] == [("I", "P1"), ("R", "P2")]
    assert [(one.source_row, one.reason) for one in read_left_out(out)] == [
        ("list.csv:5", "unknown label"),
        ("list.csv:4", "file name disagrees with the table"),
    ]


def test_the_clinics_preset_written_as_a_file(tmp_path: Path) -> None:
    """The same rows, taken and left out, as --preset clinic."""
    table = write_export(tmp_path / "data")
    keyed = {
        "modalities": {name: asdict(one) for name, one in CLINIC.modalities.items()},
        "name": CLINIC.name,
        "key": list(CLINIC.key),
        "label": CLINIC.label,
        "file_name": CLINIC.file_name,
        "compared": dict(CLINIC.compared),
        "corners": list(CLINIC.corners),
    }  # fmt: skip
    out = imported(tmp_path, yaml.safe_dump({"keyed": keyed}), "--table", str(table))
    assert [(Path(row.photograph).name, row.group, row.label) for row in read_manifest(out)] == [
        row[:3] for row in TAKEN
    ]
    with (out / "left_out.csv").open(newline="") as handle:
        listed = {int(row["source_row"].split(":")[1]): row["reason"] for row in csv.DictReader(handle)}
    assert listed == LEFT_OUT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense: 1", "nonsense"),
        ("[1, 2]", "no keys"),
        ("{", "YAML"),
        ("values: {x: Q}", "values"),
        ("columns: {file: a}", "'file'"),
        ("name: '('", "regular expression"),
        ("{name: '(?P<phase>.*)', folders: '['}", "folders is no regular expression"),
        ("{columns: {}, folders: a}", "beside columns"),
        ("name: '(?P<colour>.*)'", "colour"),
        ("name: '(?P<group>.*)'", "says the phase"),
        ("keyed: {label: x}", "keyed."),
        ("keyed: {lable: x}", "'lable'"),
        ("{keyed: {}, name: x}", "beside"),
    ],
)
def test_mistakes(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        read_layout(tmp_path / "mine.yaml")
    assert named in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_without_columns_and_columns_without_a_table(tmp_path: Path) -> None:
    photograph(tmp_path / "data" / "a.png")
    for text, words in (
        ("name: '(?P<phase>.*)[.]png'", ["--table", "x.csv"]),
        ("columns: {phase: p}", []),
        ("name: '(?P<phase>.*)[.]png'", ["--preset", "clinic"]),
    ):
        (tmp_path / "mine.yaml").write_text(text)
        words = ["data", "import", str(tmp_path / "data"), "--mapping", str(tmp_path / "mine.yaml"), *words]
        assert run([*words, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_class_folders_and_tables_written_as_files(tmp_path: Path) -> None:
    """The same rows as without a mapping: presets are layouts like any other."""
    for name in ("rgb/I/1.png", "rgb/Remodeling/2.png", "thermal/I/3.png", "rgb/notes/4.png", "5.png"):
        photograph(tmp_path / "data" / name)
    table = tmp_path / "data" / "metadata.csv"
    text = "folders: 'rgb/(?i:I|P|R|remodeling)'\nname: 'rgb/(?P<phase>[^/]+)/.*'\n"
    assert run(["data", "import", str(tmp_path / "data"), "--out", str(tmp_path / "preset")]) == 0
    written = read_manifest(imported(tmp_path, text))
    assert [(row.photograph, row.label) for row in written] == [("rgb/I/1.png", "I"), ("rgb/Remodeling/2.png", "R")]
    assert read_manifest(tmp_path / "preset") == written
    table.write_text("file_name,label,group_id,x_min,y_min,x_max,y_max\nrgb/I/1.png,I+,7,1,2,30,20\n5.png,R,8,,,,\n")
    assert run(["data", "import", str(tmp_path / "data"), "--out", str(tmp_path / "preset_table")]) == 0
    (tmp_path / "imported").rename(tmp_path / "by_name")
    written = read_manifest(imported(tmp_path, "columns: {}\n", "--table", str(table)))
    assert [(row.photograph, row.label, row.group) for row in written] == [
        ("5.png", "R", "8"),
        ("rgb/I/1.png", "I", "7"),
    ]
    assert read_manifest(tmp_path / "preset_table") == written
