"""Finding photographs: both layouts, and every mistake named by file, line and value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from woundgen.data.files.images import write_png
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.phases import read_phase
from woundgen.errors import UserError
from woundgen.records import Box


def photograph(path: Path, *, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, np.full((size[1], size[0], 3), 128, np.uint8), text={})


def class_folders(root: Path, **counts: int) -> Path:
    for phase, count in counts.items():
        for index in range(count):
            photograph(root / phase / f"{index}.png")
    return root


def table(root: Path, *lines: str, name: str = "metadata.csv", encoding: str = "utf-8") -> Path:
    for index in range(4):
        photograph(root / "images" / f"{index}.png")
    (root / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return root


def refusal(root: Path, *, phases: str = "I") -> str:
    with pytest.raises(UserError) as caught:
        find_photos(root, phases=list(phases))
    return str(caught.value)


def test_class_folders(tmp_path: Path) -> None:
    class_folders(tmp_path, I=3, P=2, R=2)
    photograph(tmp_path / "I" / "Z.JPEG")
    (tmp_path / "I" / "Thumbs.db").write_text("x")
    (tmp_path / "I" / "._0.png").write_text("x")
    found = find_photos(tmp_path, phases=["R", "I"])
    names = [str(Path(photo.path).relative_to(tmp_path)) for photo in found]
    assert names == ["I/0.png", "I/1.png", "I/2.png", "I/Z.JPEG", "R/0.png", "R/1.png"]
    assert [photo.phase for photo in found] == ["I"] * 4 + ["R"] * 2
    assert Path(found[0].path).is_absolute()


def test_modality(tmp_path: Path) -> None:
    class_folders(tmp_path / "rgb", I=2)
    class_folders(tmp_path / "thermal_rgb", I=3)
    assert len(find_photos(tmp_path, phases=["I"])) == 2
    assert len(find_photos(tmp_path, phases=["I"], modality="thermal_rgb")) == 3
    class_folders(tmp_path, I=2)
    assert "too" in refusal(tmp_path)


def test_csv(tmp_path: Path) -> None:
    table(
        tmp_path,
        "file_name,label,group_id,x_min,y_min,x_max,y_max,text,split,Phase Confidence (%)",
        'images/1.png,I+,003,1,2,30,20,"wound, red",val,90',
        "images/1.png,I,003,1.5,2,10.2,20,,validation,",
        "images/0.png,i,,,,,,,,",
        "images/2.png,P-,7,,,,,,train,",
        encoding="utf-8-sig",
    )
    first, small, large = find_photos(tmp_path, phases=["I"])
    assert (first.phase, first.group, first.box, first.split) == ("I", None, None, None)
    assert small.box == Box(1, 2, 11, 20)
    assert (large.box, large.group, large.text, large.split) == (
        Box(1, 2, 30, 20),
        "003",
        "wound, red",
        "validation",
    )


def test_jsonl(tmp_path: Path) -> None:
    rows = [{"file_name": f"images/{i}.png", "phase": "R", "patient": i, "x_min": None} for i in range(2)]
    table(tmp_path, *(json.dumps(row) for row in rows), "", name="metadata.jsonl", encoding="utf-8-sig")
    assert [photo.group for photo in find_photos(tmp_path, phases=["R"])] == ["0", "1"]


def test_row_errors_come_together(tmp_path: Path) -> None:
    table(
        tmp_path,
        "file_name,phase,x_min,y_min,x_max,y_max",
        "images/0.png,Inflamatory,,,,",
        "images/gone.png,I,,,,",
        "images/1.png,I,0,0,41,10",
        "images/1.png,I,5,5,5,10",
        "images/1.png,I,-1,0,10,10",
        "images/1.png,I,a,0,10,10",
        "images/1.png,I,1,,10,10",
        "../x.png,I,,,,",
        "images/2.png,I,,,,",
        "images/2.png,I,,,,",
        "./images/2.png,P,,,,",
        "images/3.gif,I,,,,",
        "images/3.png,I,,,,,,surplus",
    )
    text = refusal(tmp_path)
    assert "12 problems" in text
    assert "… and 2 more" in text
    for part in (
        "metadata.csv line 2: unknown phase 'Inflamatory'; the nearest valid one is 'INFLAMMATORY'",
        "line 3: ",
        "gone.png does not exist",
        "line 4: the box (0, 0, 41, 10) is outside the 40x30 photograph",
        "line 5: the box (5, 5, 5, 10) is empty",
        "line 7: x_min 'a' is not a number",
        "line 8: y_min '' is not a number",
        "line 9: file name '../x.png' leaves the folder",
        "line 11: 'images/2.png' with this box is already in line 10",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("file_name,stage", "no column phase or label"),
        ("name,phase", "no column file_name"),
        ("file_name;phase", "no photograph of phase I"),
        ("file_name,phase,phase", "column phase twice"),
        ("file_name,phase", "no photograph of phase I"),
    ],
)
def test_header(tmp_path: Path, header: str, said: str) -> None:
    assert said in refusal(table(tmp_path, header))


def test_broken_tables(tmp_path: Path) -> None:
    root = table(tmp_path / "a", "file_name,phase", "images/\xe4.png,I", encoding="latin-1")
    assert "was read as cp1252, and not as UTF-8" in refusal(root)
    root = table(tmp_path / "b", "{", '["x"]', '{"file_name": "images/0.png"}', name="metadata.jsonl")
    text = refusal(root)
    assert "line 1: not JSON" in text
    assert "line 2: not a JSON object" in text
    assert "line 3: no phase or label" in text
    root = table(tmp_path / "c", "file_name,phase", 'images/0.png,"I')
    assert "cannot be read" in refusal(root)
    table(tmp_path / "c", "{}", name="metadata.jsonl")
    assert "holds both" in refusal(root)
    root = table(tmp_path / "d", "file_name,phase,split", "images/0.png,I,trian")
    assert "unknown split 'trian'" in refusal(root)


def test_bad_photograph_with_a_box(tmp_path: Path) -> None:
    root = table(tmp_path, "file_name,phase,x_min,y_min,x_max,y_max", "images/0.png,I,0,0,9,9")
    (root / "images" / "0.png").write_text("no image")
    assert "line 2" in refusal(root)
    assert "0.png is not an image" in refusal(root)


def test_folders_that_cannot_serve(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "is empty" in refusal(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in refusal(tmp_path / "file")
    assert "it holds 0.png" in refusal(class_folders(tmp_path / "flat", I=1) / "I")
    class_folders(tmp_path / "data", I=1, P=2)
    assert "one photograph of phase I; at least 2" in refusal(tmp_path / "data")
    assert "no photograph of phase R (I: 1, P: 2)" in refusal(tmp_path / "data", phases="R")
    assert "unknown phase 'Q'" in refusal(tmp_path / "data", phases="Q")


def test_links_and_other_formats(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", I=2)
    photograph(tmp_path / "secret.png")
    (tmp_path / "data" / "I" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data" / "I" / "moving.gif").write_bytes(b"GIF89a")
    text = refusal(tmp_path / "data")
    assert "link.png leads outside" in text
    assert "moving.gif is not of an accepted format" in text


def test_phase_spellings() -> None:
    assert [read_phase(value) for value in ("I+", " p- ", "P+", "Remodelling")] == ["I", "P", "P", "R"]
    for value in ("X", "", "2", "Infl."):
        with pytest.raises(UserError, match="valid: I, P, R"):
            read_phase(value)
