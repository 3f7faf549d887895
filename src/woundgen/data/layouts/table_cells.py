"""Tables as people save them: header and cells of CSV in any usual encoding, JSON lines, Excel and OpenDocument."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from woundgen.data.layouts.spreadsheets import SPREADSHEETS, read_spreadsheet
from woundgen.errors import UserError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
OTHER_TABLES = (".xls", ".xlsb", ".numbers", ".parquet", ".feather", ".sav", ".dta", ".mdb", ".accdb", ".pdf", ".docx")
LARGEST_TABLE = 256 << 20
_SAVE_AS = "Save it as .xlsx, .ods or CSV."
_START = 4096  # bytes from which UTF-16 without a byte-order mark is recognised
Row = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class TableCells:
    """header: names as they stand. rows: (line, name -> cell) of each that is not blank; what is left over under "".

    note: how the table was read, where that is not plain CSV in UTF-8; "" where it is. plain_encoding: whether no
    encoding had to be guessed. decimal_comma: whether numbers may be written 12,5.
    """

    header: tuple[str, ...]
    rows: Iterator[Row]
    note: str
    plain_encoding: bool = True
    decimal_comma: bool = False


def read_cells(table: Path) -> TableCells:
    """Read a CSV file or a spreadsheet. UserError that names the table where it cannot be read."""
    if table.suffix.lower() in OTHER_TABLES:
        raise UserError(f"{table} is a {table.suffix} file, which is not read.", _SAVE_AS)
    try:
        if table.suffix.lower() in SPREADSHEETS:
            sheet = read_spreadsheet(table)
            return TableCells(sheet.header, iter(sheet.rows), sheet.note)
        return _read_csv(table)
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}).", "Check its name and permissions.") from None


def table_note(table: Path | None) -> str:
    """Return how a table is read, where that is not plain CSV in UTF-8; "" for none, and for JSON."""
    if table is None or table.suffix.lower() in (".jsonl", ".json"):
        return ""
    return read_cells(table).note


def refuse_other_encoding(table: Path) -> None:
    """UserError for a CSV file whose encoding would have to be guessed, where nobody would read a note."""
    if table.suffix.lower() != ".jsonl" and not (cells := read_cells(table)).plain_encoding:
        raise UserError(
            f"{cells.note}, and not as UTF-8.",
            "Import it (woundgen data import), or save it as UTF-8.",
        )


def read_text(table: Path) -> tuple[str, str]:
    """(text, encoding): by the byte-order mark, else UTF-8, UTF-16 by its zeros, or cp1252, Excel's in the West."""
    content = table.read_bytes() if table.stat().st_size <= LARGEST_TABLE else b""
    if not content and table.stat().st_size:
        raise UserError(f"{table} is larger than {LARGEST_TABLE >> 20} MB.", "Is it a table of photographs?")
    encoding = _encoding(content)
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise UserError(
            f"{table} is neither UTF-8 nor {encoding} (byte {error.start}).", "Save it as CSV UTF-8."
        ) from None


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = content[:_START]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 4 and start[offset::2].count(0) > 0.4 * len(start[offset::2]):
            return encoding
    try:
        content.decode("utf-8-sig")
        return "utf-8-sig"  # with or without the mark that Excel writes
    except UnicodeDecodeError:
        return "cp1252"


def _read_csv(table: Path) -> TableCells:
    text, encoding = read_text(table)
    if "\0" in text:
        raise UserError(f"{table} is no table of text.", _SAVE_AS)
    text = _without_separator_line(text)
    delimiter = _delimiter(text)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True, delimiter=delimiter)
        header = tuple(next((cells for cells in reader if any(cells)), []))
    except csv.Error as error:
        raise UserError(f"{table} cannot be read ({error}).", "Mend or save it again.") from None
    plain = encoding == "utf-8-sig"
    parts = [*([] if plain else [encoding]), *([] if delimiter == "," else [f"separated by {DELIMITERS[delimiter]}"])]
    note = f"{table.name} was read as {', '.join(parts)}" if parts else ""
    return TableCells(header, _csv_rows(reader, header, table), note, plain, decimal_comma=delimiter != ",")


def _without_separator_line(text: str) -> str:
    """Leave Excel's first line `sep=;` blank, so that lines keep their numbers; the header shows the separator, too."""
    first, end, rest = text.partition("\n")
    return end + rest if re.fullmatch(r'"?sep=.?"?', first.strip(), re.IGNORECASE) else text


def _delimiter(text: str) -> str:
    """Return the most frequent in the header, which is the first line that is not blank, outside quotes."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    unquoted = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=unquoted.count)  # the first of equals: a comma


def _csv_rows(reader: Iterator[list[str]], header: tuple[str, ...], table: Path) -> Iterator[Row]:
    try:
        for cells in reader:
            if not any(cells):
                continue
            row = dict(zip(header, cells, strict=False))
            if any(left_over := cells[len(header) :]):
                row[""] = " ".join(left_over)
            yield reader.line_num, row  # type: ignore[attr-defined]
    except csv.Error as error:
        raise UserError(f"{table} cannot be read ({error}).", "Mend or save it again.") from None
