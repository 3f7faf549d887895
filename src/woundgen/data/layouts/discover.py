"""Photographs as a layout (layout.py) says: roles from a table, from the files' paths, from both, or from tables
joined by keys. Every source goes through `list_by_layout`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from woundgen.data.files.images import SUFFIXES
from woundgen.data.files.kinds import OTHER_IMAGES, looks_like_photograph
from woundgen.data.files.paths import resolve_inside
from woundgen.data.files.patient_groups import patient_group
from woundgen.data.layouts.coco import coco_rows
from woundgen.data.layouts.keyed_tables import list_keyed
from woundgen.data.layouts.layout import Layout, same_field
from woundgen.data.layouts.phases import read_phase
from woundgen.data.layouts.photo_table import Row, list_photo_rows, list_photo_table, read_split
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.voc import voc_rows
from woundgen.data.layouts.yolo import yolo_rows
from woundgen.errors import UserError
from woundgen.records import LeftOut, Photo, Split

Listed = tuple[list[tuple[Photo, str]], list[LeftOut]]


def list_by_layout(root: Path, *, table: Path | None, layout: Layout, modality: str) -> Listed:
    """(photographs with where each was listed, what cannot be taken). A name that contradicts the table drops the row.

    modality: of tables joined by keys. Raises UserError where a table is named and none is described, or the other way
    round.
    """
    if layout.keyed is not None:
        return list_keyed(root, table=table, modality=modality, mapping=layout.keyed)
    if layout.annotations is not None:
        return _completed_all(_annotated(root, table, layout), root=root, layout=layout)
    if layout.columns is None:
        if table is not None:
            raise UserError(
                "--table is given, and the mapping has no columns.", "Describe its columns, or leave it out."
            )
        return _by_name(root, layout)
    if table is None:
        raise UserError("The mapping has columns, and no table is named.", "Give --table.")
    listing = list_photo_table(table, root=root, columns=layout.columns, phase_values=layout.values)
    return _completed_all(listing, root=root, layout=layout)


def _annotated(root: Path, table: Path | None, layout: Layout) -> Listed:
    """Rows of annotation files. UserError where they are absent, or a table is named that they have not."""
    if table is not None and layout.annotations != "coco":
        raise UserError(f"--table is given, and {layout.annotations} has a file for each photograph.", "Leave it out.")
    if layout.annotations == "coco":
        rows: Iterable[tuple[str, Row]] = coco_rows(root, table=table)
    else:
        rows = voc_rows(root) if layout.annotations == "voc" else yolo_rows(root)
    return list_photo_rows(rows, root=root, phase_values=layout.values)


def _completed_all(listing: Listed, *, root: Path, layout: Layout) -> Listed:
    """With what the names say, where the layout reads them; a name that contradicts its row drops it."""
    listed, left_out = listing
    if layout.name is None:
        return listing
    kept = []
    for photo, source in listed:
        try:
            kept.append((_completed(photo, root=root, layout=layout), source))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    return kept, left_out


def not_looked_at(root: Path, layout: Layout) -> list[LeftOut]:
    """List photographs in folders that a layout of folders does not name, so that they are not left out in silence."""
    if layout.folders is None:
        return []
    read = set(_folders(root, layout))
    others = (path for path in sorted(root.rglob("*")) if path.parent not in read and looks_like_photograph(path))
    return [
        LeftOut(path.relative_to(root).as_posix(), "folder of no phase", f"{path.parent} is no folder of a phase.")
        for path in others
    ]


def photographs_in(folder: Path, *, root: Path, left_out: list[LeftOut]) -> list[Path]:
    """Image files of one folder; what looks like an image and cannot be taken is added to `left_out`."""
    photographs = []
    for path in sorted(folder.iterdir()):
        if not looks_like_photograph(path):
            continue
        suffix = path.suffix.lower()
        try:
            if suffix in OTHER_IMAGES:
                raise Dropped("format not accepted", f"{path} is not of an accepted format ({', '.join(SUFFIXES)}).")
            with counted_as("missing file"):
                resolve_inside(path, roots=[root])
            photographs.append(path)
        except Dropped as dropped:
            left_out.append(LeftOut(path.relative_to(root).as_posix(), dropped.reason, dropped.detail))
    return photographs


def _by_name(root: Path, layout: Layout) -> Listed:
    listed: list[tuple[Photo, str]] = []
    left_out: list[LeftOut] = []
    for folder in _folders(root, layout):
        for path in photographs_in(folder, root=root, left_out=left_out):
            name = path.relative_to(root).as_posix()
            try:
                found = _fields(name, layout)
                with counted_as("unknown label"):
                    phase = read_phase(found.get("phase") or "", values=layout.values)
                with counted_as("unreadable file"):
                    group = found.get("group") or patient_group(path, roots=[root])
                photo = Photo(path=str(path), phase=phase, group=group, split=_split(found))
                listed.append((photo, name))
            except Dropped as dropped:
                left_out.append(LeftOut(name, dropped.reason, dropped.detail))
    return listed, left_out


def _folders(root: Path, layout: Layout) -> list[Path]:
    every = sorted([root, *(path for path in root.rglob("*") if path.is_dir())])
    if layout.folders is None:
        return every
    return [path for path in every if re.fullmatch(layout.folders, path.relative_to(root).as_posix())]


def _completed(photo: Photo, *, root: Path, layout: Layout) -> Photo:
    """With what the name says and the table does not."""
    name = Path(photo.path).relative_to(root).as_posix()
    found = _fields(name, layout)
    if phase := found.get("phase"):
        with counted_as("unknown label"):
            _agree(photo.phase, read_phase(phase, values=layout.values), name=name, what="phase")
    if (group := found.get("group")) and photo.group is not None and not same_field(group, photo.group):
        _agree(photo.group, group, name=name, what="group")
    if (split := _split(found)) and photo.split is not None:
        _agree(photo.split, split, name=name, what="split")
    return replace(photo, group=photo.group or group, split=photo.split or split)


def _agree(in_table: str, in_name: str, *, name: str, what: str) -> None:
    if in_table != in_name:
        raise Dropped("file name disagrees with the table", f"{name}: {what} {in_name!r}, in the table {in_table!r}")


def _fields(name: str, layout: Layout) -> dict[str, str]:
    assert layout.name is not None
    found = re.fullmatch(layout.name, name)
    if found is None:
        raise Dropped("file name not of the expected form", name)
    return {role: text for role, text in found.groupdict().items() if text}


def _split(found: dict[str, str]) -> Split | None:
    with counted_as("unknown split"):
        return read_split(found.get("split", ""))
