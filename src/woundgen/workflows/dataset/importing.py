"""The job of `woundgen data import`: whatever form the photographs come in, one manifest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from woundgen.data.files.images import photograph_size
from woundgen.data.layouts.discover import list_by_layout, not_looked_at
from woundgen.data.layouts.find_photos import layout_of
from woundgen.data.layouts.layout import IMAGE_FOLDER, PRESETS
from woundgen.data.layouts.layout_file import read_layout
from woundgen.data.layouts.manifest import (
    is_manifest,
    manifest_photos,
    photograph_root,
    read_left_out,
    read_manifest,
    write_manifest,
)
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.table_cells import table_note
from woundgen.data.leaks import assert_no_leak
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.records import LeftOut, ManifestRow, Photo
from woundgen.storage.display import escape_controls
from woundgen.storage.files import sha256_file, sha256_json
from woundgen.storage.ownership import claim_output

FOLDERS = "folders"  # class folders and ImageFolder tables, told apart by what lies there


@dataclass(frozen=True, slots=True)
class Source:
    """Photographs to divide or to check. root: they lie below it, absolute. note: how a table was read."""

    root: Path
    rows: tuple[ManifestRow, ...]
    left_out: tuple[LeftOut, ...]
    note: str = ""


def read_source(folder: Path, *, modality: str = "rgb") -> Source:
    """An import as it stands, or photographs in folders or a table, read as an import reads them."""
    if is_manifest(folder):
        manifest_photos(folder)  # refuses photographs that have changed
        return Source(photograph_root(folder).resolve(), tuple(read_manifest(folder)), tuple(read_left_out(folder)))
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.", "Name the folder that holds the photographs.")
    root = folder.resolve()
    layout, table = layout_of(root, modality=modality)
    rows, left_out = _taken(*list_by_layout(root, table=table, layout=layout, modality=modality), root=root)
    left_out += not_looked_at(root, layout)
    note = table_note(table)
    return Source(root, tuple(rows), tuple(left_out), note)


def import_photographs(
    root: Path,
    *,
    out: Path,
    preset: str,
    table: Path | None,
    modality: str,
    mapping: Path | None = None,
) -> Work[Path]:
    """Write the manifest of the photographs below `root` into `out`; the input is only read.

    mapping: a file that describes the layout, instead of a preset.

    Raises UserError before anything is written where nothing can be taken.
    """
    if preset not in (FOLDERS, *PRESETS):
        raise UserError(f"--preset {preset!r} is unknown.", f"Choose among {', '.join((FOLDERS, *PRESETS))}.")
    if not root.is_dir():
        raise UserError(f"{root} is not a folder.", "Name the folder that holds the photographs.")
    root = root.resolve()
    if out.resolve().is_relative_to(root):
        raise UserError(f"--out {out} lies among the photographs, which are only read.", "Choose another --out.")
    if mapping is not None and preset != FOLDERS:
        raise UserError(f"--mapping is given beside --preset {preset}.", "Keep one of them.")
    layout = PRESETS.get(preset) if mapping is None else read_layout(mapping)
    if layout is None and table is not None:
        layout = IMAGE_FOLDER  # a table of the user's, with the columns that metadata.csv has
    found = (layout, table) if layout is not None else layout_of(root, modality=modality)
    rows, left_out = _taken(*list_by_layout(root, table=found[1], layout=found[0], modality=modality), root=root)
    left_out += not_looked_at(root, found[0])
    if note := table_note(found[1]):
        yield Info(note)
    yield from _tell(rows, left_out)
    if not rows:
        raise UserError(f"{root}: no photograph could be taken.", "The counts above say why.")
    described = None if mapping is None else sha256_file(mapping)
    claim_output(out, identity=sha256_json([str(root), preset, str(table), modality, described]), what="import")
    if is_manifest(out):
        yield Info(f"{out} already holds this import")
        return out
    write_manifest(
        out, rows, left_out=left_out, root=root, facts={"preset": preset, "modality": modality, "mapping": described}
    )
    yield Info(f"{out}: manifest.csv, left_out.csv, import.json")
    return out


def _taken(
    listed: list[tuple[Photo, str]], left_out: list[LeftOut], *, root: Path
) -> tuple[list[ManifestRow], list[LeftOut]]:
    rows = []
    for photo, source in listed:
        try:
            with counted_as("unreadable file"):
                rows.append(_manifest_row(photo, root=root, source=source))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    assert_no_leak([photo for photo, _ in listed])
    return rows, left_out


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


def _tell(rows: list[ManifestRow], left_out: list[LeftOut]) -> Work[None]:
    """Counts that add up to the rows of the input."""
    yield Info(f"{len(rows) + len(left_out)} rows: {len(rows)} taken, {len(left_out)} left out")
    for label, count in sorted(Counter(row.label for row in rows).items()):
        patients = {row.group for row in rows if row.label == label and row.group}
        yield Info(f"  taken, phase {label}: {count} ({len(patients) or 'no known'} patients)")
    for reason, count in sorted(Counter(row.reason for row in left_out).items()):
        yield Info(f"  left out, {reason}: {count}")
