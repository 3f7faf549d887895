"""A table of photographs (CSV or JSON lines) as `Photo` rows, through a mapping of its columns (layout.py)."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from woundgen.data.files.images import SUFFIXES, photograph_size
from woundgen.data.files.paths import relative_name, resolve_inside
from woundgen.data.layouts.layout import Columns
from woundgen.data.layouts.phases import read_phase
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.errors import UserError
from woundgen.records import Box, LeftOut, Photo, Split

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


def list_photo_table(
    table: Path, *, root: Path, columns: Columns, phase_values: Mapping[str, str]
) -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """(rows with where they stand, sorted by file and box; rows that cannot be used).

    File names are relative to `root`. Raises UserError where the table itself cannot be read.
    """
    photos: list[tuple[Photo, str]] = []
    left_out: list[LeftOut] = []
    lines: dict[tuple[str, Box | None], int] = {}
    for line, raw in _rows(table, columns=columns):
        source = f"{table.name}:{line}"
        try:
            with counted_as("row cannot be read"):
                row = _roles(_object(raw) if isinstance(raw, str) else raw, columns=columns)
            photo = _photo(row, root=root, phase_values=phase_values)
            first = lines.setdefault((photo.path, photo.box), line)
            if first != line:
                raise Dropped("repeated row", f"{row['file_name']!r} with this box is already in line {first}.")
            photos.append((photo, source))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    return sorted(photos, key=lambda one: (one[0].path, _corners(one[0].box))), left_out


def _corners(box: Box | None) -> tuple[int, ...]:
    return (box.x_min, box.y_min, box.x_max, box.y_max) if box else ()


def _rows(table: Path, *, columns: Columns) -> Iterator[tuple[int, str | dict[str, Any]]]:
    """(line, what stands there) of each row that is not blank."""
    read = _jsonl_rows(table) if table.suffix == ".jsonl" else _csv_rows(table, columns=columns)
    try:
        yield from read
    except UnicodeDecodeError as error:
        raise UserError(f"{table} is not UTF-8 (byte {error.start}).", "Save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{table} cannot be read ({error}).", "Mend or save it again.") from None
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}).", "Check its permissions.") from None


def _jsonl_rows(table: Path) -> Iterator[tuple[int, str]]:
    with table.open(encoding="utf-8-sig") as handle:
        yield from ((line, text) for line, text in enumerate(handle, start=1) if text.strip())


def _csv_rows(table: Path, *, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    with table.open(encoding="utf-8-sig", newline="") as handle:  # -sig: Excel writes a byte-order mark
        reader = csv.DictReader(handle, strict=True, skipinitialspace=True)
        _check_header(list(reader.fieldnames or ()), columns=columns, table=table)
        for cells in reader:
            yield reader.line_num, dict(cells)


def _check_header(header: list[str], *, columns: Columns, table: Path) -> None:
    for role in _REQUIRED:
        names = getattr(columns, role)
        if not set(names) & set(header):
            semicolons = " Separate the cells by commas." if any(";" in name for name in header) else ""
            raise UserError(
                f"{table} has no column {' or '.join(names)} (it has {', '.join(header) or 'none'}).",
                f"Add or rename it.{semicolons}",
            )
    twice = sorted({name for name in header if header.count(name) > 1 and name in _known(columns)})
    if twice:
        raise UserError(f"{table} has the column {twice[0]} twice.", "Keep the one that is meant.")


def _known(columns: Columns) -> set[str]:
    return {name for role in fields(columns) for name in getattr(columns, role.name)}


def _object(text: str) -> dict[str, Any]:
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error}).") from None
    if not isinstance(cells, dict):
        raise UserError("not a JSON object.")
    return cells


def _roles(cells: Mapping[Any, Any], *, columns: Columns) -> dict[str, str]:
    """Role → cell, blank as ''."""
    if cells.get(None):  # where DictReader puts what is left over
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
        path = root / relative_name(row["file_name"])
    if path.suffix.lower() not in SUFFIXES:
        raise Dropped("format not accepted", f"{row['file_name']!r} is none of {', '.join(SUFFIXES)}.")
    with counted_as("missing file"):
        resolve_inside(path, roots=[root])
    with counted_as("unreadable file"):
        size = photograph_size(path, roots=[root]) if any(row[corner] for corner in _CORNERS) else (0, 0)
    with counted_as("box cannot be used"):
        box = _box(row, size=size)
    with counted_as("unknown split"):
        split = read_split(row["split"])
    return Photo(
        path=str(path), phase=phase, group=row["group"] or None, box=box, split=split, text=row["text"] or None
    )


def read_split(value: str) -> Split | None:
    if not value:
        return None
    if value.lower() not in SPLIT_VALUES:
        raise UserError(f"unknown split {value!r} (valid: train, validation, holdout).")
    return SPLIT_VALUES[value.lower()]


def _box(row: dict[str, str], *, size: tuple[int, int]) -> Box | None:
    """The wound's box in the upright photograph, fractions of a pixel rounded outwards; None where blank."""
    cells = {corner: row[corner] for corner in _CORNERS}
    if not any(cells.values()):
        return None
    numbers = {corner: _number(value, column=corner) for corner, value in cells.items()}
    box = Box(
        x_min=math.floor(numbers["x_min"]),
        y_min=math.floor(numbers["y_min"]),
        x_max=math.ceil(numbers["x_max"]),
        y_max=math.ceil(numbers["y_max"]),
    )
    if box.x_min >= box.x_max or box.y_min >= box.y_max:
        raise UserError(f"the box {_corners(box)} is empty (x_min, y_min, x_max, y_max; maximum exclusive).")
    width, height = size
    if box.x_min < 0 or box.y_min < 0 or box.x_max > width or box.y_max > height:
        raise UserError(f"the box {_corners(box)} is outside the {width}x{height} photograph.")
    return box


def _number(value: str, *, column: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{column} {value!r} is not a number (fill all four corners or none).")
    return number
