"""The manifest of an import: manifest.csv, left_out.csv and import.json, written once and read by every stage.

The photographs stay where they are. import.json names the folder they lie in and the digest of the rows. A frozen split
is a manifest too: its rows have sides, and import.json says how they were divided.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from woundgen.data.files.paths import relative_name, resolve_inside
from woundgen.data.layouts.csv_safety import neutral, original
from woundgen.data.layouts.row_errors import raise_together
from woundgen.errors import UserError
from woundgen.records import PHASES, Box, LeftOut, ManifestRow, Photo
from woundgen.storage.display import escape_controls
from woundgen.storage.files import read_json, sha256_file, sha256_json, write_json, write_text
from woundgen.storage.names import IMPORT_CSV, IMPORT_JSON, LEFT_OUT_CSV

CORNERS = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("photograph", "sha256", "label", "group", *CORNERS, "native_crop", "split", "text", "source_row")
FORMAT = 2  # of manifest.csv; raised where columns change
SPLITS = ("train", "validation", "holdout")
_AGAIN = "Import again into a new folder: woundgen data import."


def write_manifest(
    folder: Path, rows: Sequence[ManifestRow], *, left_out: Sequence[LeftOut], root: Path, facts: Mapping[str, object]
) -> None:
    """Write the three files into `folder`; import.json last, so that a folder with it is whole."""
    write_text(folder / IMPORT_CSV, _csv(COLUMNS, [_cells(row) for row in rows]))
    write_text(folder / LEFT_OUT_CSV, _csv(("source_row", "reason", "detail"), [_escaped(row) for row in left_out]))
    head = {"format": FORMAT, "root": str(root), "rows": len(rows), "digest": manifest_digest(rows)}
    write_json(folder / IMPORT_JSON, {**head, **facts})


def manifest_digest(rows: Sequence[ManifestRow]) -> str:
    """SHA-256 of the rows, the same on every machine: photographs are named relative to the root."""
    return sha256_json([asdict(row) for row in rows])


def is_manifest(folder: Path) -> bool:
    return (folder / IMPORT_JSON).is_file()


def read_manifest(folder: Path) -> list[ManifestRow]:
    """The rows of an import. Raises UserError where the table is not what was written."""
    table = folder / IMPORT_CSV
    facts = manifest_facts(folder)
    if facts.get("format") != FORMAT:
        raise UserError(f"{table} was written by another version of woundgen.", _AGAIN)
    try:
        with table.open(encoding="utf-8", newline="") as handle:
            rows = [_row(cells) for cells in csv.DictReader(handle, strict=True)]
        recorded = facts["digest"]
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}).", _AGAIN) from None
    except (KeyError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise UserError(f"{table} is damaged ({error}).", _AGAIN) from None
    if manifest_digest(rows) != recorded:
        raise UserError(f"{table} was changed after the import (its digest differs).", _AGAIN)
    return rows


def manifest_facts(folder: Path) -> dict[str, Any]:
    """Read import.json."""
    facts = read_json(folder / IMPORT_JSON)
    if not isinstance(facts, dict) or not isinstance(facts.get("root"), str):
        raise UserError(f"{folder / IMPORT_JSON} is damaged (it names no root).", _AGAIN)
    return facts


def read_left_out(folder: Path) -> list[LeftOut]:
    """Read the rows that the import did not take."""
    table = folder / LEFT_OUT_CSV
    try:
        with table.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle, strict=True))
        return [LeftOut(*(original(row[name]) for name in ("source_row", "reason", "detail"))) for row in rows]
    except (OSError, KeyError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise UserError(f"{table} cannot be read ({error}).", _AGAIN) from None


def photograph_root(folder: Path) -> Path:
    """Return the root of an import's photographs, or `folder` itself where it is no import."""
    return Path(manifest_facts(folder)["root"]) if is_manifest(folder) else folder


def photo_of(row: ManifestRow, *, root: Path) -> Photo:
    path = str(root / relative_name(row.photograph))
    return Photo(path=path, phase=row.label, group=row.group, box=row.box, split=row.split, text=row.text)


def manifest_photos(folder: Path) -> list[Photo]:
    """The rows as `Photo`s, paths absolute. UserError where photographs are missing or no longer the same bytes."""
    root = photograph_root(folder)
    photos, problems = [], []
    known: dict[str, str] = {}
    for row in read_manifest(folder):
        try:
            photo = photo_of(row, root=root)
            path = Path(photo.path)
            if row.photograph not in known:
                known[row.photograph] = sha256_file(resolve_inside(path, roots=[root]))
            if known[row.photograph] != row.sha256:
                raise UserError(f"{path} is not the file that was imported (its digest differs).")
            photos.append(photo)
        except UserError as error:
            problems.append(str(error))
    raise_together(problems, heading=str(folder / IMPORT_CSV), fix=_AGAIN)
    return photos


def _cells(row: ManifestRow) -> dict[str, object]:
    box = asdict(row.box) if row.box else {}
    corners = {corner: box.get(corner, "") for corner in CORNERS}
    return {**asdict(row), **corners, "group": row.group or "", "split": row.split or "", "text": row.text or ""}


def _escaped(row: LeftOut) -> dict[str, str]:
    return {name: escape_controls(value) for name, value in asdict(row).items()}


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: neutral(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def _row(cells: Mapping[str, str]) -> ManifestRow:
    if cells["label"] not in PHASES:
        raise ValueError(f"label {cells['label']!r}")
    if cells["split"] not in ("", *SPLITS):
        raise ValueError(f"split {cells['split']!r}")
    corners = {corner: int(cells[corner]) for corner in CORNERS} if cells["x_min"] else None
    return ManifestRow(
        photograph=original(cells["photograph"]),
        sha256=cells["sha256"],
        label=cells["label"],
        group=original(cells["group"]) or None,
        box=Box(**corners) if corners else None,
        native_crop=int(cells["native_crop"]),
        source_row=original(cells["source_row"]),
        split=cells["split"] or None,  # type: ignore[arg-type]
        text=original(cells["text"]) or None,
    )
