"""A table of photographs (CSV, spreadsheet, JSON lines) as `Photo` rows, by a mapping of columns (layout.py)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from woundgen.data.files.images import SUFFIXES, photograph_size
from woundgen.data.files.kinds import is_dicom_file
from woundgen.data.files.paths import find_below, relative_name, resolve_inside
from woundgen.data.files.patient_groups import patient_group
from woundgen.data.layouts.layout import Columns
from woundgen.data.layouts.phases import read_phase
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.table_cells import read_cells
from woundgen.errors import UserError
from woundgen.records import Box, LeftOut, Photo, Split
from woundgen.storage.strict_json import parse_strictly

SPLIT_VALUES: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "holdout": "holdout",
    "test": "holdout",
}


_REQUIRED = ("file_name", "phase")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_SIZED = ("x", "y", "width", "height")
Corners = tuple[float, float, float, float]
Row = dict[str, str] | UserError
_BLANK = {role.name: "" for role in fields(Columns)}


def list_photo_table(
    table: Path, *, root: Path, columns: Columns, phase_values: Mapping[str, str]
) -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """(rows with where they stand, sorted by file and box; rows that cannot be used).

    File names are relative to `root`. Raises UserError where the table itself cannot be read.
    """
    return list_photo_rows(_rows(table, columns=columns), root=root, phase_values=phase_values)


def list_photo_rows(
    rows: Iterable[tuple[str, Row]], *, root: Path, phase_values: Mapping[str, str]
) -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """The same of rows from anywhere: (where it stands, role -> cell, or the UserError that reading it gave)."""
    photos: list[tuple[Photo, str]] = []
    left_out: list[LeftOut] = []
    first_lines: dict[tuple[str, Box | None], str] = {}
    for source, row in rows:
        try:
            if isinstance(row, UserError):
                raise Dropped("row cannot be read", row.what)
            photo = _photo(_BLANK | row, root=root, phase_values=phase_values)
            first = first_lines.setdefault((photo.path, photo.box), source)
            if first != source:
                place = f"line {first.rpartition(':')[2]}"
                raise Dropped("repeated row", f"{row['file_name']!r} with this box is already in {place}.")
            photos.append((photo, source))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    return sorted(photos, key=lambda one: (one[0].path, _corners(one[0].box))), left_out


def _corners(box: Box | None) -> tuple[int, ...]:
    return (box.x_min, box.y_min, box.x_max, box.y_max) if box else ()


def _rows(table: Path, *, columns: Columns) -> Iterator[tuple[str, Row]]:
    """(TABLE:LINE, role -> cell) of each row that is not blank; a UserError in place of a row that cannot be read."""
    if table.suffix.lower() == ".jsonl":
        for line, text in _jsonl_lines(table):
            yield f"{table.name}:{line}", _or_error(lambda text=text: _roles(_object(text), columns=columns))  # type: ignore[misc]
        return
    cells_of_table = read_cells(table)
    _check_header(list(cells_of_table.header), columns=columns, table=table)
    for line, cells in cells_of_table.rows:
        row = _or_error(lambda cells=cells: _roles(cells, columns=columns))  # type: ignore[misc]
        if cells_of_table.decimal_comma and not isinstance(row, UserError):
            row |= {role: row[role].replace(",", ".") for role in (*_CORNERS, *_SIZED)}
        yield f"{table.name}:{line}", row


def _or_error(read: Callable[[], dict[str, str]]) -> Row:
    try:
        return read()
    except UserError as error:
        return error


def _jsonl_lines(table: Path) -> list[tuple[int, str]]:
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{table} is not UTF-8 (byte {error.start}).", "JSON is written in UTF-8.") from None
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}).", "Check its permissions.") from None
    return [(line, part) for line, part in enumerate(text.split("\n"), start=1) if part.strip()]


def _check_header(header: list[str], *, columns: Columns, table: Path) -> None:
    for role in _REQUIRED:
        names = getattr(columns, role)
        if not set(names) & set(header):
            raise UserError(
                f"{table} has no column {' or '.join(names)} (it has {', '.join(header) or 'none'}).",
                "Add or rename it, or describe the table: --mapping.",
            )
    twice = sorted({name for name in header if header.count(name) > 1 and name in _known(columns)})
    if twice:
        raise UserError(f"{table} has the column {twice[0]} twice.", "Keep the one that is meant.")


def _known(columns: Columns) -> set[str]:
    return {name for role in fields(columns) for name in getattr(columns, role.name)}


def _object(text: str) -> dict[str, Any]:
    try:
        cells = parse_strictly(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error}).") from None
    if not isinstance(cells, dict):
        raise UserError("not a JSON object.")
    return cells


def _roles(cells: Mapping[Any, Any], *, columns: Columns) -> dict[str, str]:
    """Role → cell, blank as ''."""
    if cells.get(""):  # where read_cells puts what is left over
        raise UserError("more cells than the header; quote cells that hold a comma.")
    row: dict[str, str] = {}
    for role in fields(columns):
        names = getattr(columns, role.name)
        found = next((name for name in names if name in cells), None)
        if found is None and role.name in _REQUIRED:
            raise UserError(f"no {' or '.join(names)} among {', '.join(map(str, cells))}.")
        value = cells[found] if found is not None else None
        row[role.name] = "" if value is None else str(value).strip()
    return row


def _photo(row: dict[str, str], *, root: Path, phase_values: Mapping[str, str]) -> Photo:
    with counted_as("unknown label" if row["phase"] else "no label"):
        phase = read_phase(row["phase"], values=phase_values)
    with counted_as("file name that leaves the folder"):
        path = find_below(root, relative_name(row["file_name"].replace("\\", "/")))  # as Windows writes it
    if path.suffix.lower() not in SUFFIXES and not is_dicom_file(path):
        raise Dropped("format not accepted", f"{row['file_name']!r} is none of {', '.join(SUFFIXES)}.")
    with counted_as("missing file"):
        resolve_inside(path, roots=[root])
    with counted_as("unreadable file"):
        boxed = any(row.get(role) for role in (*_CORNERS, *_SIZED, "box"))
        size = photograph_size(path, roots=[root]) if boxed else (0, 0)
        group = row["group"] or patient_group(path, roots=[root])
    with counted_as("box cannot be used"):
        box = _box(row, size=size)
    with counted_as("unknown split"):
        split = read_split(row["split"])
    return Photo(path=str(path), phase=phase, group=group, box=box, split=split, text=row["text"] or None)


def read_split(value: str) -> Split | None:
    if not value:
        return None
    if value.lower() not in SPLIT_VALUES:
        raise UserError(f"unknown split {value!r} (valid: train, validation, holdout).")
    return SPLIT_VALUES[value.lower()]


def _box(row: Mapping[str, str], *, size: tuple[int, int]) -> Box | None:
    """The wound's box in the upright photograph, fractions of a pixel rounded outwards; None where blank."""
    forms = [form for form in (_by_corners(row), _by_size(row), _by_text(row)) if form is not None]
    if not forms:
        return None
    if any(form != forms[0] for form in forms):
        raise UserError("corners, size and box column give different boxes; keep either.")
    x_min, y_min, x_max, y_max = forms[0]
    box = Box(math.floor(x_min), math.floor(y_min), math.ceil(x_max), math.ceil(y_max))
    if box.x_min >= box.x_max or box.y_min >= box.y_max:
        raise UserError(f"the box {_corners(box)} is empty (x_min, y_min, x_max, y_max; maximum exclusive).")
    width, height = size
    if box.x_min < 0 or box.y_min < 0 or box.x_max > width or box.y_max > height:
        raise UserError(f"the box {_corners(box)} is outside the {width}x{height} photograph.")
    return box


def _by_corners(row: Mapping[str, str]) -> Corners | None:
    if not any(row[role] for role in _CORNERS):
        return None
    x_min, y_min, x_max, y_max = (_number(row[role], column=role) for role in _CORNERS)
    return x_min, y_min, x_max, y_max


def _by_size(row: Mapping[str, str]) -> Corners | None:
    """From x, y, width and height, as COCO has them: x and y of the upper left corner."""
    if not any(row.get(role) for role in ("width", "height")):
        return None  # x and y alone may be anything, such as the middle
    x, y, width, height = (_number(row[role], column=role) for role in _SIZED)
    return x, y, x + width, y + height


def _by_text(row: Mapping[str, str]) -> Corners | None:
    """From a cell "x, y, w, h", in brackets or not."""
    text = row.get("box", "")
    if not text:
        return None
    numbers = [_number(part, column="box") for part in re.split(r"[\s,;]+", text.strip(" []()"))]
    if len(numbers) != 4:
        raise UserError(f"box {text!r} is not four numbers x, y, width, height.")
    x, y, width, height = numbers
    return x, y, x + width, y + height


def _number(value: str, *, column: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{column} {value!r} is not a number (fill all four or none).")
    return number
