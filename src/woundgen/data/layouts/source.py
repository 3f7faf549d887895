"""Photographs in whatever form they come, as the rows of a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from woundgen.data.files.images import photograph_size
from woundgen.data.layouts.discover import list_by_layout, not_looked_at
from woundgen.data.layouts.find_photos import layout_of
from woundgen.data.layouts.layout import Layout
from woundgen.data.layouts.manifest import (
    is_manifest,
    manifest_photos,
    photograph_root,
    read_left_out,
    read_manifest,
)
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.table_cells import table_note
from woundgen.data.leaks import assert_no_leak
from woundgen.errors import UserError
from woundgen.records import LeftOut, ManifestRow, Photo
from woundgen.storage.display import escape_controls
from woundgen.storage.files import sha256_file


@dataclass(frozen=True, slots=True)
class PhotographSource:
    """Photographs to divide or to check. root: they lie below it, absolute. note: how a table was read."""

    root: Path
    rows: tuple[ManifestRow, ...]
    left_out: tuple[LeftOut, ...]
    note: str = ""


def read_source(folder: Path, *, modality: str = "rgb") -> PhotographSource:
    """An import as it stands, or photographs in folders or a table, read as an import reads them."""
    if is_manifest(folder):
        manifest_photos(folder)  # refuses photographs that have changed
        return read_import(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.", "Name the folder that holds the photographs.")
    root = folder.resolve()
    layout, table = layout_of(root, modality=modality)
    rows, left_out = take_photographs(root, layout=layout, table=table, modality=modality)
    return PhotographSource(root, tuple(rows), tuple(left_out), table_note(table))


def read_import(folder: Path) -> PhotographSource:
    """Read an import as it was written, whatever has become of its photographs."""
    rows, left_out = tuple(read_manifest(folder)), tuple(read_left_out(folder))
    return PhotographSource(photograph_root(folder).resolve(), rows, left_out)


def take_photographs(
    root: Path, *, layout: Layout, table: Path | None, modality: str
) -> tuple[list[ManifestRow], list[LeftOut]]:
    """Return the manifest's rows of the photographs below `root`, and what is left out, each with its reason."""
    listed, left_out = list_by_layout(root, table=table, layout=layout, modality=modality)
    rows = []
    for photo, source in listed:
        try:
            with counted_as("unreadable file"):
                rows.append(_manifest_row(photo, root=root, source=source))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    assert_no_leak([photo for photo, _ in listed])
    return rows, left_out + not_looked_at(root, layout)


def _manifest_row(photo: Photo, *, root: Path, source: str) -> ManifestRow:
    path = Path(photo.path)
    if escape_controls(photo.path) != photo.path:
        raise Dropped("unusable file name", f"{source}: a name with control characters, or that is not UTF-8.")
    size = photograph_size(path, roots=[root])
    box = photo.box
    return ManifestRow(
        photograph=path.relative_to(root).as_posix(),
        sha256=sha256_file(path),
        label=photo.phase,
        group=photo.group,
        box=box,
        native_crop=max(box.x_max - box.x_min, box.y_max - box.y_min) if box else min(size),
        source_row=source,
        split=photo.split,
        text=photo.text,
    )
