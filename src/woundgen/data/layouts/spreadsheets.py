"""Excel and OpenDocument tables: the first sheet's cells as text. Needs: pip install 'woundgen[tables]'."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.files import shorten

SPREADSHEETS = (".xlsx", ".xlsm", ".ods")
LARGEST_UNPACKED = 128 << 20
LARGEST_TREE = 32 << 20  # of .ods, which odfpy holds as a tree of objects
MOST_CELLS = 4_000_000  # blank ones between others included
MOST_REPEATED = 1000  # cells or rows that OpenDocument repeats; more are the empty rest of a sheet
_ODF_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_ODF_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
Cells = list[str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """rows: (line in the sheet, name -> cell) of each that is not blank. note: which sheet was read."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    note: str


def read_spreadsheet(table: Path) -> Sheet:
    """Read the first sheet; its first row that is not blank is the header. UserError where it cannot be read."""
    _refuse_bomb(table)
    read = _read_ods if table.suffix.lower() == ".ods" else _read_excel
    try:
        title, sheets, lines = read(table)
    except ImportError as error:
        raise UserError(
            f"{table} is a spreadsheet, and {error.name} is not installed.", "pip install 'woundgen[tables]'"
        ) from None
    except UserError:
        raise
    except Exception as error:  # either library raises a dozen types on damaged files
        raise UserError(
            f"{table} cannot be read as a spreadsheet ({shorten(str(error))}).", "Save it again, or as CSV."
        ) from None
    filled = [(line, cells) for line, cells in enumerate(lines, start=1) if any(cells)]
    header = tuple(filled[0][1]) if filled else ()
    rows = tuple((line, _row(header, cells)) for line, cells in filled[1:])
    more = f" of {sheets}; the others were not read" if sheets > 1 else ""
    return Sheet(header, rows, f"{table.name}: sheet {title!r}{more}")


def _row(header: tuple[str, ...], cells: Cells) -> dict[str, str]:
    row = dict(zip(header, cells, strict=False))
    if any(left_over := cells[len(header) :]):
        row[""] = " ".join(left_over)
    return row


def _refuse_bomb(table: Path) -> None:
    try:
        with zipfile.ZipFile(table) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError):
        raise UserError(f"{table} is no {table.suffix} file.", "Save it again, or as CSV.") from None
    if unpacked > (LARGEST_TREE if table.suffix.lower() == ".ods" else LARGEST_UNPACKED):
        raise UserError(f"{table} unpacks to {unpacked >> 20} MB.", "Save the table alone, or as CSV.")


def _read_excel(table: Path) -> tuple[str, int, list[Cells]]:
    import openpyxl

    book = openpyxl.load_workbook(table, read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(table, read_only=True)
    try:
        sheet = book.worksheets[0]
        lines: list[Cells] = []
        visited = 0
        for row, written in zip(sheet.iter_rows(), formulas.worksheets[0].iter_rows(), strict=True):
            visited += max(1, len(row))
            _refuse_large(visited, table=table)
            _refuse_unvalued(row, written, table=table)
            lines.append(_trimmed([_text(cell.value) for cell in row]))
        return sheet.title, len(book.worksheets), lines
    finally:
        book.close()
        formulas.close()


def _refuse_large(cells: int, *, table: Path) -> None:
    """UserError beyond MOST_CELLS: a cell at the far end of a sheet makes millions of blank ones."""
    if cells > MOST_CELLS:
        raise UserError(f"{table} has more than {MOST_CELLS:,} cells.", "Save the table alone, or as CSV.")


def _refuse_unvalued(row: Iterable[Any], written: Iterable[Any], *, table: Path) -> None:
    """UserError for a formula that the program which wrote the file has not computed: its cell would be blank."""
    for cell, formula in zip(row, written, strict=True):
        if cell.value is None and formula.value is not None:
            raise UserError(
                f"{table}: cell {formula.coordinate} is a formula without a stored value.",
                "Open and save it in a spreadsheet program, or save values.",
            )


def _read_ods(table: Path) -> tuple[str, int, list[Cells]]:
    from odf.opendocument import load
    from odf.table import Table, TableRow

    sheets = load(str(table)).spreadsheet.getElementsByType(Table)
    lines: list[Cells] = []
    visited = 0
    for row in sheets[0].getElementsByType(TableRow):
        cells = _trimmed(list(_ods_cells(row)))
        times = int(row.attributes.get((_ODF_TABLE, "number-rows-repeated"), 1))
        times = times if any(cells) or times <= MOST_REPEATED else 1
        visited += max(1, len(cells)) * max(1, times)
        _refuse_large(visited, table=table)
        lines += [cells] * times
    return str(sheets[0].getAttribute("name")), len(sheets), lines


def _ods_cells(row: Any) -> Iterable[str]:
    from odf import teletype

    for cell in row.childNodes:
        if cell.qname[1] not in ("table-cell", "covered-table-cell"):
            continue
        kind = cell.attributes.get((_ODF_OFFICE, "value-type"))
        if kind in ("float", "percentage", "currency"):
            text = _text(float(cell.attributes[(_ODF_OFFICE, "value")]))
        else:
            text = teletype.extractText(cell).strip()
        times = int(cell.attributes.get((_ODF_TABLE, "number-columns-repeated"), 1))
        yield from [text] * min(times, MOST_REPEATED)


def _trimmed(cells: Cells) -> Cells:
    """Return the cells up to the last that is not blank."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(value: Any) -> str:
    """As a person would type it: a whole number without .0, a date as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return str(value).strip()
