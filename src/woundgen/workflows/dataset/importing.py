"""The job of `woundgen data import`: whatever form the photographs come in, one manifest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from woundgen.data.layouts.find_photos import layout_of
from woundgen.data.layouts.layout import IMAGE_FOLDER, PRESETS
from woundgen.data.layouts.layout_file import read_layout
from woundgen.data.layouts.manifest import is_manifest, write_manifest
from woundgen.data.layouts.source import take_photographs
from woundgen.data.layouts.table_cells import table_note
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.records import LeftOut, ManifestRow
from woundgen.storage.files import sha256_file, sha256_json
from woundgen.storage.ownership import claim_output

FOLDERS = "folders"  # class folders and ImageFolder tables, told apart by what lies there


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
    layout, used_table = (layout, table) if layout is not None else layout_of(root, modality=modality)
    rows, left_out = take_photographs(root, layout=layout, table=used_table, modality=modality)
    if note := table_note(used_table):
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


def _tell(rows: list[ManifestRow], left_out: list[LeftOut]) -> Work[None]:
    """Counts that add up to the rows of the input."""
    yield Info(f"{len(rows) + len(left_out)} rows: {len(rows)} taken, {len(left_out)} left out")
    for label, count in sorted(Counter(row.label for row in rows).items()):
        patients = {row.group for row in rows if row.label == label and row.group}
        yield Info(f"  taken, phase {label}: {count} ({len(patients) or 'no known'} patients)")
    for reason, count in sorted(Counter(row.reason for row in left_out).items()):
        yield Info(f"  left out, {reason}: {count}")
