"""`woundgen data check`: counts that reconcile, planted faults found, 500 spoilt files a line each, nothing escapes."""

from __future__ import annotations

import random
import re
import stat
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from woundgen.cli import run
from woundgen.data.files.images import decode_photograph
from woundgen.errors import UserError

from ..clinic_export import LEFT_OUT, TAKEN, write_export
from ..corrupt import FORMATS, spoilt, whole


def scene(seed: int, *, size: int = 200) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(30, 226, (40, 40, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def checked(source: Path, out: Path, *words: str) -> tuple[int, str]:
    code = run(["data", "check", str(source), "--out", str(out), *words])
    return code, (out / "check.txt").read_text()


def section(text: str, heading: str) -> str:
    return text.split(f"{heading}\n", 1)[1].split("\n\n", 1)[0]


def test_nothing_usable_is_a_shortfall(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is written and lists why; the exit code is 3, as where less was done than was asked for."""
    (tmp_path / "data" / "I").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "data" / "I" / f"{number}.png").write_text("no image")
    code, text = checked(tmp_path / "data", tmp_path / "out")
    assert code == 3
    assert "none of 3 rows is a photograph that can be used" in capsys.readouterr().err
    assert "0.png" in text


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Sixteen photographs of eight patients, each fault planted once."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    lines = ["file_name,phase,group_id,split"]
    for number in range(16):
        scene(number).save(root / "images" / f"{number:02d}.png")
        lines.append(f"images/{number:02d}.png,{'IR'[number % 2]},P{number // 2},")
    images = root / "images"
    scene(2).filter(ImageFilter.GaussianBlur(6)).save(images / "02.png")
    Image.fromarray((np.asarray(scene(3)) * 0.15).astype(np.uint8) + 17).save(images / "03.png")
    bright = np.array(scene(4))
    bright[:80] = 255
    Image.fromarray(bright).save(images / "04.png")
    scene(5, size=60).save(images / "05.png")
    Image.fromarray(np.pad(np.asarray(scene(6)), ((0, 0), (0, 50), (0, 0)))).save(images / "06.png")
    (images / "07.png").write_text("no image")
    (images / "08.png").write_bytes((images / "08.png").read_bytes()[:2000])
    (images / "11.png").write_bytes((images / "10.png").read_bytes())  # same patient, phases I and R
    scene(12).save(images / "14.png", compress_level=1)  # same phase and pixels, another patient, other bytes
    lines += ["images/15.png,R,P7,", "images/99.png,I,P9,", "images/00.png,Q,P0,"]
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def test_planted_faults_are_found(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = checked(photographs, tmp_path / "out")
    assert code == 3
    assert "2 pairs of photographs contradict one another" in capsys.readouterr().err
    assert "19 rows = 14 usable + 5 dropped" in text
    reasons = dict(re.findall(r"^(\S.*\S)  +(\d+)$", section(text, "Rows dropped, by reason"), re.M))
    assert reasons == {
        "damaged or truncated": "1",
        "missing file": "1",
        "repeated row": "1",
        "unknown label": "1",
        "unreadable file": "1",
    }
    doubts = section(text, "Doubtful photographs")
    for name, fault in {"02": "blurred", "03": "underexposed", "04": "overexposed", "05": "tiny"}.items():
        assert re.search(rf"images/{name}\.png +{fault} ", doubts)
    assert {line.split()[0] for line in doubts.splitlines() if line.startswith("images/0")} == {
        f"images/{name}.png" for name in ("02", "03", "04", "05")
    }
    errors = section(text, "Errors: pairs that contradict one another")
    assert re.search(r"10\.png +images/11\.png +the same bytes +phases I and R", errors)
    assert re.search(r"12\.png +images/14\.png +the same pixels +patients P6 and P7", errors)
    assert "black padding: 1 photographs; left in 0 of 14 crops" in text
    page = (tmp_path / "out" / "check.html").read_text()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert "are the same bytes, phases I and R" in page
    assert page.count("<img ") == 2 + 2 * 2 + 4, "a sheet a phase, both of each pair, each doubtful crop"
    assert page.index("No: there are errors.") < page.index("Look at these first") < page.index("As training sees them")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_doubles_on_two_sides_are_errors(photographs: Path, tmp_path: Path) -> None:
    table = photographs / "metadata.csv"
    sides = {"P6": "train", "P7": "holdout"}
    lines = [line + sides.get(line.split(",")[2], "") for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines).replace("14.png,I,P7", "14.png,I,P7").replace("split", "split", 1) + "\n")
    _, text = checked(photographs, tmp_path / "out")
    assert "sides of the split train and holdout" in section(text, "Errors: pairs that contradict one another")


def test_a_clinics_export_reconciles(tmp_path: Path) -> None:
    """Rows of the import, its left-out rows by the same reasons, and the sum of patients."""
    table = write_export(tmp_path / "export")
    out = tmp_path / "imported"
    words = ["--preset", "clinic", "--table", str(table), "--out", str(out)]
    assert run(["data", "import", str(tmp_path / "export"), *words]) == 0
    _, text = checked(out, tmp_path / "checked")
    assert f"{len(TAKEN) + len(LEFT_OUT)} rows = {len(TAKEN)} usable + {len(LEFT_OUT)} dropped" in text
    counted = dict(re.findall(r"^(\S.*\S)  +(\d+)$", section(text, "Rows dropped, by reason"), re.M))
    assert {reason: int(n) for reason, n in counted.items()} == Counter(LEFT_OUT.values())
    patients = [line.split() for line in section(text, "Counts by patient").splitlines()[2:]]
    assert sum(int(words[1]) for words in patients) == len(TAKEN)
    sizes = [line.split() for line in section(text, "Native size of the crop").splitlines()[2:5]]
    assert [(row[0], row[1], row[4], row[5]) for row in sizes] == [
        ("I", "1", "55", "1"), ("P", "2", "56", "2"), ("R", "2", "55", "2"),
    ]  # fmt: skip


@pytest.mark.slow
def test_five_hundred_spoilt_files_are_a_line_each(tmp_path: Path) -> None:
    """Imported whole, spoilt afterwards: the digest tells each, whatever a decoder makes of it."""
    rng = random.Random(0)
    (tmp_path / "data" / "I").mkdir(parents=True)
    files = []
    for number in range(500):
        form = list(FORMATS)[number % 5]
        path = tmp_path / "data" / "I" / f"{number:03d}{FORMATS[form]}"
        path.write_bytes(whole(form, number))
        files.append(path)
    assert run(["data", "import", str(tmp_path / "data"), "--out", str(tmp_path / "imported")]) == 0
    for number, path in enumerate(files):
        path.write_bytes(spoilt(path.read_bytes(), cut=number // 5 % 2 == 0, rng=rng))
    code, text = checked(tmp_path / "imported", tmp_path / "out")
    assert code == 3, "nothing is left"
    assert "500 rows = 0 usable + 500 dropped" in text
    lines = section(text, "Every row that was dropped").splitlines()[2:]
    assert len(lines) == 500
    assert all(path.name in text for path in files)


def test_spoilt_files_without_a_manifest_never_crash() -> None:
    """Every cut that loses pixels is an error; changed bytes are an error or a picture."""
    rng = random.Random(1)
    for number in range(500):
        form = list(FORMATS)[number % 5]
        cut = number // 5 % 2 == 0
        content = whole(form, number)
        pixels, error = decoded(spoilt(content, cut=cut, rng=rng))
        if pixels is None:
            assert "photo" in error
            assert "\n" not in error
        elif cut:
            assert np.array_equal(pixels, decode_photograph(content, name="photo"))


def decoded(content: bytes) -> tuple[np.ndarray | None, str]:
    try:
        return decode_photograph(content, name="photo"), ""
    except UserError as error:
        return None, str(error)


def test_names_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "I"
    folder.mkdir(parents=True)
    for number in range(2):
        scene(number).save(folder / f"<script>alert({number})<.png")
    (folder / "<b>broken.png").write_text("x")
    assert checked(tmp_path / "data", tmp_path / "out")[0] == 0
    page = (tmp_path / "out" / "check.html").read_text()
    assert "<script" not in page
    assert "&lt;b&gt;broken.png" in page


def test_output_among_the_photographs_is_refused(photographs: Path) -> None:
    assert run(["data", "check", str(photographs), "--out", str(photographs / "out")]) == 2
    assert not (photographs / "out").exists()
