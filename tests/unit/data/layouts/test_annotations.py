"""COCO, Pascal VOC and YOLO through the one mapping: labels, boxes, sides, and rows that cannot be taken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from woundgen.cli import run
from woundgen.data.files.images import write_png
from woundgen.data.layouts.manifest import read_left_out, read_manifest
from woundgen.records import Box

NAMES = ("a.png", "b.png", "c.png")


def photographs(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(folder / name, np.full((40, 50, 3), 50 * number, np.uint8), text={})


def imported(tmp_path: Path, *words: str) -> list[tuple]:
    out = tmp_path / "imported"
    assert run(["data", "import", str(tmp_path / "data"), *words, "--out", str(out)]) == 0
    return [(row.photograph, row.label, row.group, row.box, row.split) for row in read_manifest(out)]


def left_out(tmp_path: Path) -> dict[str, str]:
    return {one.source_row: one.reason for one in read_left_out(tmp_path / "imported")}


def write_coco(path: Path) -> None:
    """Boxes are x, y, width, height with fractions; ids need not begin at 0 nor follow one another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "images": [{"id": 10 + n, "file_name": name, "width": 50, "height": 40} for n, name in enumerate(NAMES)],
        "categories": [{"id": 3, "name": "Inflammatory"}, {"id": 9, "name": "scar"}, {"id": 4, "name": "odd"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "bbox": [2.5, 3.5, 10.0, 20.0], "area": 200, "iscrowd": 0},
            {"id": 2, "image_id": 10, "category_id": 9, "bbox": [20, 5, 30, 35]},
            {"id": 3, "image_id": 11, "category_id": 4, "bbox": [1, 1, 5, 5]},
            {"id": 4, "image_id": 11, "category_id": 3, "bbox": [40, 1, 30, 5]},
        ],
    }
    path.write_text(json.dumps(content))


def test_coco(tmp_path: Path) -> None:
    """Two wounds of one photograph are two rows; the class's words come from the mapping."""
    photographs(tmp_path / "data" / "images", *NAMES)
    write_coco(tmp_path / "data" / "annotations" / "instances.json")
    (tmp_path / "mine.yaml").write_text("annotations: coco\nvalues: {scar: R}\n")
    assert imported(tmp_path, "--mapping", str(tmp_path / "mine.yaml")) == [
        ("images/a.png", "I", None, Box(2, 3, 13, 24), None),
        ("images/a.png", "R", None, Box(20, 5, 50, 40), None),
    ]
    assert left_out(tmp_path) == {
        "instances.json:annotation 3": "unknown label",
        "instances.json:annotation 4": "box cannot be used",
        "instances.json:image 12": "no label",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "no object"),
        ('{"images": [], "categories": []}', "annotations is no list"),
        ('{"images": [{"id": 1}], "categories": [], "annotations": []}', "id and file_name"),
        ('{"images": [], "categories": [], "annotations": [{"image_id": 7}]}', "not listed"),
        ("{", "not readable JSON"),
        (
            '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [], '
            '"annotations": [{"image_id": 1, "category_id": [3]}]}',
            "category_id",
        ),
    ],
)
def test_what_is_no_coco(tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(tmp_path / "data", "a.png")
    (tmp_path / "labels.json").write_text(content)
    words = ["data", "import", str(tmp_path / "data"), "--preset", "coco", "--table", str(tmp_path / "labels.json")]
    assert run([*words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


VOC = """<annotation><folder>x</folder><filename>{name}</filename><path>C:\\x\\{name}</path>
<size><width>50</width><height>40</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = (
    "<object><name>{label}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
    "</object>"
)


def test_voc(tmp_path: Path) -> None:
    """Pixels are counted from 1 and the maximum is inclusive: the whole picture is 1, 1, 50, 40."""
    photographs(tmp_path / "data" / "JPEGImages", *NAMES)
    folder = tmp_path / "data" / "Annotations"
    folder.mkdir()
    whole = OBJECT.format(1, 1, 50, 40, label="I") + OBJECT.format(11, 5, 20, 30, label="R")
    (folder / "a.xml").write_text(VOC.format(name="a.png", objects=whole))
    (folder / "b.xml").write_text(VOC.format(name="elsewhere.jpg", objects=OBJECT.format(2, 2, 9, 9, label="P")))
    (folder / "c.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>')
    assert imported(tmp_path, "--preset", "voc") == [
        ("JPEGImages/a.png", "I", None, Box(0, 0, 50, 40), None),
        ("JPEGImages/a.png", "R", None, Box(10, 4, 20, 30), None),
        ("JPEGImages/b.png", "P", None, Box(1, 1, 9, 9), None),
    ]
    assert left_out(tmp_path) == {"Annotations/c.xml:0": "row cannot be read"}


def test_yolo(tmp_path: Path) -> None:
    """Middle and size as shares of the photograph; polygons by their box; folders say the side."""
    data = tmp_path / "data"
    photographs(data / "images", "train/a.png", "train/b.png", "val/c.png", "val/d.png")
    (data / "labels" / "train").mkdir(parents=True)
    (data / "labels" / "val").mkdir()
    (data / "data.yaml").write_text("train: images/train\nval: images/val\nnames: {0: I, 2: R}\n")
    (data / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 1 1\n2 0.2 0.25 0.2 0.5\n1 0.5 0.5 0.1 0.1\n")
    (data / "labels" / "train" / "b.txt").write_text("2 0.1 0.1 0.5 0.1 0.3 0.6\n0 0.9 0.5 0.5 0.5\nx\n")
    (data / "labels" / "val" / "c.txt").write_text("0 0.500001 0.5 1.000001 1\n\n")
    assert imported(tmp_path, "--preset", "yolo") == [
        ("images/train/a.png", "I", None, Box(0, 0, 50, 40), "train"),
        ("images/train/a.png", "R", None, Box(5, 0, 15, 20), "train"),
        ("images/train/b.png", "R", None, Box(5, 4, 25, 24), "train"),
        ("images/val/c.png", "I", None, Box(0, 0, 50, 40), "validation"),
    ]
    assert left_out(tmp_path) == {
        "labels/train/a.txt:3": "row cannot be read",
        "labels/train/b.txt:2": "box cannot be used",
        "labels/train/b.txt:3": "row cannot be read",
        "labels/val/d.txt:0": "no label",
    }


def test_names_may_say_the_patient(tmp_path: Path) -> None:
    data = tmp_path / "data"
    photographs(data / "images", "P1_a.png", "P2_b.png")
    (data / "labels").mkdir()
    for name in ("P1_a", "P2_b"):
        (data / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (data / "classes.txt").write_text("I\nP\n")
    (tmp_path / "mine.yaml").write_text("annotations: yolo\nname: '.*/(?P<group>P[0-9]+)_.*'\n")
    found = imported(tmp_path, "--mapping", str(tmp_path / "mine.yaml"))
    assert [row[2] for row in found] == ["P1", "P2"]


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_an_empty_folder_is_one_line(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(tmp_path / "data", "a.png")
    assert run(["data", "import", str(tmp_path / "data"), "--preset", kind, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_coco_as_tools_write_it(tmp_path: Path) -> None:
    """Photographs in a folder that is not named; polygons without a box; rounding; crowds and run lengths refused."""
    photographs(tmp_path / "data" / "train2017", *NAMES)
    images = [{"id": n, "file_name": name, "width": 50, "height": 40} for n, name in enumerate(NAMES)]
    shape = {"counts": "abc", "size": [40, 50]}
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[5, 6, 9, 6, 9, 8], [2, 7, 3, 7, 3, 20]]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [-0.4, 0, 50.8, 40.2], "segmentation": shape},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 1, "segmentation": shape},
        {"id": 4, "image_id": 2, "category_id": 1, "segmentation": shape},
        {"id": 5, "image_id": 2, "category_id": 1, "bbox": [0, 0, 52, 40]},
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "I"}]}
    (tmp_path / "data" / "instances.json").write_text(json.dumps(content))
    assert imported(tmp_path, "--preset", "coco") == [
        ("train2017/a.png", "I", None, Box(2, 6, 9, 20), None),
        ("train2017/b.png", "I", None, Box(0, 0, 50, 40), None),
    ]
    reasons = {one.source_row.rpartition(" ")[2]: one.detail for one in read_left_out(tmp_path / "imported")}
    assert "crowd" in reasons["3"]
    assert "run lengths" in reasons["4"]
    assert "outside" in reasons["5"]


@pytest.mark.parametrize(("images", "labels"), [("", ""), ("Images/", "Labels/")])
def test_yolo_as_other_tools_lay_it_out(images: str, labels: str, tmp_path: Path) -> None:
    """labelImg and Darknet: labels beside photographs; Windows tools: capitals."""
    data = tmp_path / "data"
    photographs(data, *(f"{images}{name}" for name in NAMES[:2]))
    (data / "classes.txt").write_text("I\nP\n")
    (data / (labels or ".")).mkdir(exist_ok=True)
    (data / f"{labels}a.txt").write_text("1 0.5 0.5 0.2 0.5\n")
    assert imported(tmp_path, "--preset", "yolo") == [(f"{images}a.png", "P", None, Box(20, 10, 30, 30), None)]
    assert list(left_out(tmp_path).values()) == ["no label"]
