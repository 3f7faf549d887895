"""Tables as clinics keep them: spreadsheets, other separators and encodings, Windows names, boxes by size."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

from woundgen.cli import run
from woundgen.data.files.images import write_png
from woundgen.data.layouts import spreadsheets
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import read_left_out, read_manifest
from woundgen.data.layouts.table_cells import read_cells
from woundgen.errors import UserError
from woundgen.records import Box

HEADER = ["file_name", "phase", "group_id", "x_min", "y_min", "x_max", "y_max"]
ROWS: list[list[object]] = [
    ["wounds/a.png", "Inflammatory", 7, 2, 3, 20, 30],
    ["wounds\\b.png", "P", "Müller", 1, 1, 9, 9],
    ["c.png", "R", "x", None, None, None, None],
]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "wounds").mkdir(parents=True)
    for number, name in enumerate(("wounds/a.png", "wounds/b.png", "c.png")):
        write_png(folder / name, np.full((40, 50, 3), 60 * number, np.uint8), text={})
    return folder


def write_csv(path: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows([HEADER, *ROWS])
    return path


def write_xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    for row in ([], HEADER, *ROWS):  # people leave the first row blank
        book.active.append(row)
    book.create_sheet("notes").append(["nothing of this"])
    book.save(path)
    return path


def write_ods(path: Path) -> Path:
    document = OpenDocumentSpreadsheet()
    table = Table(name="wounds")
    for row in (HEADER, *ROWS):
        line = TableRow()
        for value in row:
            if isinstance(value, int):
                cell = TableCell(valuetype="float", value=value)
            else:
                cell = TableCell(valuetype="string")
            cell.addElement(P(text="" if value is None else str(value)))
            line.addElement(cell)
        line.addElement(TableCell(numbercolumnsrepeated=16000))  # as LibreOffice pads each row
        table.addElement(line)
    rest = TableRow(numberrowsrepeated=1_000_000)
    rest.addElement(TableCell())
    table.addElement(rest)
    document.spreadsheet.addElement(table)
    document.save(str(path))
    return path


def imported(photographs: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[tuple], str]:
    out = photographs.parent / "imported"
    assert run(["data", "import", str(photographs), "--table", str(table), "--out", str(out)]) == 0
    found = [(row.photograph, row.label, row.group, row.box) for row in read_manifest(out)]
    assert read_left_out(out) == []
    return found, capsys.readouterr().out


EXPECTED = [
    ("c.png", "R", "x", None),
    ("wounds/a.png", "I", "7", Box(2, 3, 20, 30)),
    ("wounds/b.png", "P", "Müller", Box(1, 1, 9, 9)),
]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("list.xlsx", "list.xlsx: sheet 'Sheet' of 2; the others were not read"),
        ("list.ods", "list.ods: sheet 'wounds'"),
        ("semicolons.csv", "read as separated by semicolons"),
        ("tabs.csv", "read as separated by tabs"),
        ("cp1252.csv", "read as cp1252, separated by semicolons"),
        ("utf16.csv", "read as utf-16"),
        ("utf16_le.csv", "read as utf-16-le"),
        ("plain.csv", ""),
    ],
)
def test_every_form_gives_the_same_rows(
    photographs: Path, tmp_path: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written by openpyxl, odfpy and Python's csv module; read with Windows' separators in a name, and said."""
    path = tmp_path / name
    kinds = {
        "semicolons.csv": (";", "utf-8-sig"), "tabs.csv": ("\t", "utf-8"), "cp1252.csv": (";", "cp1252"),
        "utf16.csv": (",", "utf-16"), "utf16_le.csv": (",", "utf-16-le"), "plain.csv": (",", "utf-8"),
    }  # fmt: skip
    if name in kinds:
        write_csv(path, delimiter=kinds[name][0], encoding=kinds[name][1])
    else:
        (write_xlsx if name.endswith("xlsx") else write_ods)(path)
    found, told = imported(photographs, path, capsys)
    assert found == EXPECTED
    assert said in told
    assert ("was read as" in told or ": sheet" in told) == bool(said)


def test_a_guessed_encoding_is_refused_where_nothing_is_said(photographs: Path) -> None:
    """`train --data` reads metadata.csv itself: there the encoding is named, and the way out."""
    write_csv(photographs / "metadata.csv", encoding="cp1252")
    with pytest.raises(UserError, match=r"metadata.csv was read as cp1252.*woundgen data import"):
        find_photos(photographs, phases=["I"])
    write_csv(photographs / "metadata.csv", delimiter=";")
    with pytest.raises(UserError, match="one photograph of phase I"):  # read, and too few
        find_photos(photographs, phases=["I"])


def test_a_check_says_how_a_table_was_read(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(photographs / "metadata.csv", encoding="cp1252", delimiter=";")
    assert run(["data", "check", str(photographs), "--out", str(tmp_path / "checked")]) == 0
    assert "metadata.csv was read as cp1252, separated by semicolons" in capsys.readouterr().out


BOXES = {
    "x,y,w,h": "2,3,18,27",
    "bbox": '"[2, 3, 18, 27]"',
    "bbox_x,bbox_y,bbox_w,bbox_h": "2.4,3.9,17.5,26.1",
    "x_min,y_min,x_max,y_max": "2,3,20,30",
}


@pytest.mark.parametrize("columns", list(BOXES))
def test_boxes_by_corners_and_by_size(
    photographs: Path, tmp_path: Path, columns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text(f"file_name,phase,{columns}\nc.png,I,{BOXES[columns]}\n")
    assert imported(photographs, tmp_path / "list.csv", capsys)[0] == [("c.png", "I", None, Box(2, 3, 20, 30))]


def test_two_boxes_that_differ_and_decimal_commas(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "both.csv").write_text(
        "file_name,phase,x_min,y_min,x_max,y_max,bbox\n"
        "c.png,I,2,3,20,30,2 3 18 27\n"
        "wounds/a.png,I,2,3,20,30,2 3 20 30\n"
    )
    out = tmp_path / "out"
    assert run(["data", "import", str(photographs), "--table", str(tmp_path / "both.csv"), "--out", str(out)]) == 0
    assert [row.photograph for row in read_manifest(out)] == ["c.png"]
    assert "different boxes" in read_left_out(out)[0].detail
    (tmp_path / "german.csv").write_text("file_name;phase;x;y;w;h\nc.png;I;2,4;3,9;17,5;26,1\n")
    assert imported(photographs, tmp_path / "german.csv", capsys)[0] == [("c.png", "I", None, Box(2, 3, 20, 30))]


@pytest.mark.parametrize("name", ["C:\\photos\\c.png", "..\\data\\c.png", "\\\\server\\share\\c.png", "..\\..\\c.png"])
def test_windows_names_do_not_leave_the_folder(photographs: Path, tmp_path: Path, name: str) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["file_name", "phase"], [name, "I"], ["c.png", "I"]])
    out = tmp_path / "imported"
    assert run(["data", "import", str(photographs), "--table", str(tmp_path / "list.csv"), "--out", str(out)]) == 0
    assert [(one.reason, one.source_row) for one in read_left_out(out)] == [
        ("file name that leaves the folder", "list.csv:2")
    ]


def test_what_is_no_spreadsheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "a.xlsx"
    damaged.write_bytes(b"PK\x03\x04 not a workbook")
    with pytest.raises(UserError, match=r"a\.xlsx is no \.xlsx file"):
        read_cells(damaged)
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("xl/workbook.xml", "<no")
    with pytest.raises(UserError, match="cannot be read as a spreadsheet"):
        read_cells(damaged)
    monkeypatch.setattr(spreadsheets, "LARGEST_UNPACKED", 2)
    with pytest.raises(UserError, match="unpacks to"):
        read_cells(damaged)


def test_an_absent_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = write_xlsx(tmp_path / "a.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"openpyxl is not installed.*woundgen\[tables\]"):
        read_cells(path)


def test_excels_separator_line(photographs: Path, tmp_path: Path) -> None:
    """Excel's own first line for others' locales; lines keep their numbers."""
    table = write_csv(photographs / "list.csv", delimiter=";")
    table.write_text("sep=;\r\n" + table.read_text())
    cells = read_cells(table)
    assert list(cells.header) == HEADER
    assert [line for line, _ in cells.rows] == [3, 4, 5]
    assert run(["data", "import", str(photographs), "--table", str(table), "--out", str(tmp_path / "out")]) == 0
    assert len(read_manifest(tmp_path / "out")) == 3


def test_names_in_another_case(photographs: Path, tmp_path: Path) -> None:
    table = photographs / "list.csv"
    table.write_text("file_name,phase\nWounds\\A.PNG,I\nc.PNG,R\n")
    assert run(["data", "import", str(photographs), "--table", str(table), "--out", str(tmp_path / "out")]) == 0
    assert [row.photograph for row in read_manifest(tmp_path / "out")] == ["c.png", "wounds/a.png"]


def test_a_formula_that_nobody_computed_is_named(tmp_path: Path) -> None:
    """openpyxl writes formulas without values; a spreadsheet program stores them."""
    book = openpyxl.Workbook()
    book.active.append(["file_name", "phase"])
    book.active.append(["a.png", '=UPPER("p")'])
    book.save(tmp_path / "list.xlsx")
    with pytest.raises(UserError, match="cell B2 is a formula without a stored value"):
        read_cells(tmp_path / "list.xlsx")


@pytest.mark.parametrize(
    ("name", "said"),
    [("list.xls", "is a .xls file"), ("list.numbers", "is a .numbers file"), ("x.csv", "table of text")],
)
def test_tables_of_other_programs_are_refused_in_a_line(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0" + bytes(3000))
    with pytest.raises(UserError, match=said) as caught:
        read_cells(tmp_path / name)
    assert len(str(caught.value)) < 300


def test_a_table_of_another_name_is_pointed_out(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_xlsx(photographs / "metadata.xlsx")
    assert run(["data", "import", str(photographs), "--out", str(photographs.parent / "out")]) == 2
    assert f"--table {photographs / 'metadata.xlsx'}" in capsys.readouterr().err
