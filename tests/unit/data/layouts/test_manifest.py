"""The manifest is read back as it was written, holds no formula, and notices what changed since."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woundgen.data.files.images import write_png
from woundgen.data.layouts.csv_safety import FORMULA_STARTS, neutral, original
from woundgen.data.layouts.manifest import manifest_photos, read_manifest, write_manifest
from woundgen.errors import UserError
from woundgen.records import Box, LeftOut, ManifestRow
from woundgen.storage.files import sha256_file

GREY = np.full((32, 32, 3), 90, np.uint8)


def imported(folder: Path, *, name: str = "a.png", group: str | None = "7") -> list[ManifestRow]:
    (folder / "photos").mkdir()
    (folder / "manifest").mkdir()
    write_png(folder / "photos" / name, GREY, text={})
    digest = sha256_file(folder / "photos" / name)
    rows = [ManifestRow(name, digest, "I", group, Box(1, 2, 11, 22), 20, "t.csv:2 b.csv:3")]
    rows.append(ManifestRow(name, digest, "R", None, None, 32, "=1+1"))
    write_manifest(
        folder / "manifest", rows, left_out=[LeftOut("b.csv:9", "missing file", "@x")], root=folder / "photos", facts={}
    )
    return rows


def test_read_back(tmp_path: Path) -> None:
    rows = imported(tmp_path, name="=cmd.png", group="-7")
    assert read_manifest(tmp_path / "manifest") == rows
    photos = manifest_photos(tmp_path / "manifest")
    assert [(p.phase, p.group, p.box) for p in photos] == [("I", "-7", Box(1, 2, 11, 22)), ("R", None, None)]


@pytest.mark.parametrize("table", ["manifest.csv", "left_out.csv"])
def test_no_cell_starts_a_formula(tmp_path: Path, table: str) -> None:
    imported(tmp_path, name="=cmd.png", group="+7")
    with (tmp_path / "manifest" / table).open(newline="") as handle:
        cells = [cell for line in csv.reader(handle) for cell in line]
    assert any(cell.startswith("'") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@given(st.text())
def test_neutral_is_undone(text: str) -> None:
    assert original(neutral(text)) == text
    assert not neutral(text).startswith(tuple(set(FORMULA_STARTS) - {"'"}))


def test_a_changed_table_is_refused(tmp_path: Path) -> None:
    imported(tmp_path)
    table = tmp_path / "manifest" / "manifest.csv"
    table.write_text(table.read_text().replace(",I,", ",P,"))
    with pytest.raises(UserError, match="changed after the import"):
        read_manifest(tmp_path / "manifest")


def test_a_changed_photograph_is_refused(tmp_path: Path) -> None:
    imported(tmp_path)
    write_png(tmp_path / "photos" / "a.png", GREY + 1, text={})
    with pytest.raises(UserError, match="not the file that was imported"):
        manifest_photos(tmp_path / "manifest")


def test_a_photograph_outside_the_root_is_refused(tmp_path: Path) -> None:
    imported(tmp_path)
    row = read_manifest(tmp_path / "manifest")[0]
    outside = [ManifestRow("../a.png", row.sha256, "I", None, None, 32, "t.csv:2")]
    write_manifest(tmp_path / "manifest", outside, left_out=[], root=tmp_path / "photos", facts={})
    with pytest.raises(UserError, match="leaves the folder"):
        manifest_photos(tmp_path / "manifest")
