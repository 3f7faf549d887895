"""`woundgen evaluate --two-sample`: rows, p, and where patches of images and of photographs go."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.cli import run
from woundgen.storage.files import read_json
from woundgen.storage.names import private_folder

from ..peers import run_peer
from .conftest import Workshop


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woundgen.metrics.two_sample_network.STEPS", 3)


@pytest.fixture(scope="module")
def drawn_once(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated") / "phase_I"
    words = ["generate", "--count", "16", "--block", "8", "--steps", "2", "--size", "32", "--out", str(out)]
    assert run([*words, "--adapter", str(trained)]) == 0
    return out


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Path:
    """A copy that a test may measure."""
    shutil.copytree(private_folder(drawn_once), private_folder(tmp_path / "generated" / "phase_I"))
    return Path(shutil.copytree(drawn_once, tmp_path / "generated" / "phase_I"))


def evaluate(drawn: Path, workshop: Workshop, *more: str) -> int:
    words = ["evaluate", "--generated", str(drawn), "--real", str(workshop.photographs), "--phase", "I"]
    return run([*words, "--base", str(workshop.base), *more])


def test_rows_patches_and_report(
    drawn: Path, trained: Path, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(drawn, workshop, "--two-sample", "--permutations", "3") == 0
    assert "told apart by a classifier" in capsys.readouterr().out.lower()
    rows = {row["label"]: row for row in read_json(drawn / "metrics.json")["rows"] if row["metric"] == "two_sample"}
    assert set(rows) == {"", "floor", "ceiling"}
    assert "permutation p = " in rows[""]["interval"]
    assert "3 refits" in rows[""]["interval"]
    assert rows[""]["n"] == rows["floor"]["n"] == rows["ceiling"]["n"]
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows.values())

    shown, private = (patches(drawn) / name for name in ("generated", "photographs"))
    assert stat.S_IMODE(patches(drawn).parent.stat().st_mode) == 0o700
    images = [np.asarray(Image.open(file)) for file in (drawn / "images").glob("*.png")]
    for file in shown.glob("*.png"):
        assert is_part_of(np.asarray(Image.open(file)), images), "a patch of a generated image, of no photograph"
    assert len(list(shown.glob("*.png"))) == 16
    assert not any(is_part_of(np.asarray(Image.open(file)), images) for file in private.glob("*.png"))

    words = ["report", "--run", str(trained), "--generated", str(drawn), "--out", str(tmp_path / "pages"), "--private"]
    assert run(words) == 0
    assert "Patches that gave the set away" not in (tmp_path / "pages" / "report.html").read_text(), "not screened"
    page = next(tmp_path.rglob("report_private.html")).read_text()
    assert "Patches that gave photographs away" in page


def patches(drawn: Path) -> Path:
    return drawn.with_name(f"{drawn.name}.private") / "telltale_patches"


def test_the_set_holds_no_picture_but_its_images(drawn: Path, workshop: Workshop) -> None:
    """Readers of folders take every picture for an image of the set, and have no row of the table for it."""
    before = sorted(drawn.rglob("*.png"))
    assert evaluate(drawn, workshop, "--two-sample") == 0
    assert sorted(drawn.rglob("*.png")) == before
    assert list(patches(drawn).rglob("*.png"))


LOAD = """
import json, sys, datasets
rows = datasets.load_dataset("imagefolder", data_dir=sys.argv[1])["train"]
print(json.dumps([len(rows), sorted(rows.features), sum(row["seed"] is None for row in rows)]))
"""


@pytest.mark.slow
def test_datasets_reads_a_measured_set(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    assert evaluate(drawn, workshop, "--two-sample") == 0
    count, columns, without = json.loads(run_peer("data", LOAD, drawn, folder=tmp_path))
    assert (count, without) == (16, 0)
    assert {"image", "label", "seed"} <= set(columns)


def is_part_of(patch: np.ndarray, images: list[np.ndarray]) -> bool:
    size = len(patch)
    return any(
        np.array_equal(patch, image[y : y + size, x : x + size])
        for image in images
        for y in range(len(image) - size + 1)
        for x in range(len(image) - size + 1)
    )


@pytest.mark.slow
def test_a_second_measurement_replaces_the_patches(drawn: Path, workshop: Workshop) -> None:
    assert evaluate(drawn, workshop, "--two-sample") == 0
    folder = patches(drawn) / "generated"
    first = {file.name for file in folder.iterdir()}
    (folder / "note.txt").write_text("kept")
    assert evaluate(drawn, workshop, "--two-sample") == 0
    assert {file.name for file in folder.iterdir()} == {*first, "note.txt"}


def test_a_plain_folder_gets_no_pictures(drawn: Path, workshop: Workshop, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(drawn / "images", plain)
    before = {path.name for path in plain.iterdir()}
    assert evaluate(plain, workshop, "--two-sample") == 0
    assert {path.name for path in plain.iterdir()} == {*before, "metrics.json"}


def test_permutations_alone_are_refused(drawn: Path, workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drawn, workshop, "--permutations", "9") == 2
    assert "without --two-sample" in capsys.readouterr().err
