"""Find the photographs below a folder, in the forms users have them.

1. ROOT/metadata.csv or ROOT/metadata.jsonl, the ImageFolder convention of `datasets`.
2. Class folders: ROOT/{I,P,R}/* or ROOT/<modality>/{I,P,R}/*; the spellings of data/layouts/phases.py serve too.
3. The manifest of `woundgen data import`: see data/layouts/manifest.py.

The first two are layouts of layout.py, told apart by what lies there and read by discover.py as any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from woundgen.data.files.images import SUFFIXES
from woundgen.data.layouts.discover import Listed, list_by_layout, photographs_in
from woundgen.data.layouts.layout import IMAGE_FOLDER, Layout, class_folders
from woundgen.data.layouts.manifest import is_manifest, manifest_photos
from woundgen.data.layouts.phases import PHASE_VALUES
from woundgen.data.layouts.row_errors import raise_together
from woundgen.data.layouts.spreadsheets import SPREADSHEETS
from woundgen.data.layouts.table_cells import refuse_other_encoding
from woundgen.data.leaks import assert_no_leak
from woundgen.errors import UserError
from woundgen.records import PHASES, LeftOut, Photo

TABLES = ("metadata.csv", "metadata.jsonl")
OTHER_TABLES = (*SPREADSHEETS, ".csv", ".tsv", ".txt", ".jsonl")  # read where --table names them
MINIMUM_PER_PHASE = 2


def find_photos(
    root: Path, *, phases: Sequence[str], modality: str = "rgb", unlabelled: str | None = None
) -> list[Photo]:
    """The photographs of `phases` below `root`, paths absolute, in sorted order. Nothing is decoded.

    unlabelled: the phase of images that lie in `root` itself, where it has neither a table nor class folders.
    Raises UserError for a missing or empty folder, rows or files that cannot be used (reported together, also
    those of other phases), a group on two sides, and a phase with fewer than two photographs.
    """
    unknown = [phase for phase in phases if phase not in PHASES]
    if unknown:
        raise UserError(f"unknown phase {unknown[0]!r}.", f"Choose among {', '.join(PHASES)}.")
    root = _folder(root)
    table = _table(root)
    plain = _plain_folder(root, phase=unlabelled) if unlabelled and not table and not is_manifest(root) else []
    photos = plain or _listed(root, table=table, modality=modality)
    assert_no_leak(photos)  # over all phases: one patient's wounds may be in several
    _refuse_too_few(photos, phases=phases, source=table or root)
    return [photo for photo in photos if photo.phase in phases]


def _folder(root: Path) -> Path:
    try:
        if "\0" in str(root) or not root.exists():
            raise UserError(f"{str(root)!r} does not exist.", "Name the folder that holds the photographs.")
        if not root.is_dir():
            raise UserError(f"{root} is not a folder.", "Name the folder that holds the photographs.")
        if not any(root.iterdir()):
            raise UserError(f"{root} is empty.", f"Put photographs into {root}/I, {root}/P and {root}/R.")
    except OSError as error:
        raise UserError(f"{root} cannot be read ({error.strerror}).", "Check its permissions.") from None
    return root.resolve()


def _table(root: Path) -> Path | None:
    tables = [root / name for name in TABLES if (root / name).is_file()]
    if len(tables) > 1:
        raise UserError(f"{root} holds both {' and '.join(TABLES)}.", "Keep the one that is meant.")
    return tables[0] if tables else None


def layout_of(root: Path, *, modality: str) -> tuple[Layout, Path | None]:
    """How `root` is laid out, and its table if it has one. Raises UserError where it is in neither way."""
    root = _folder(root)
    if table := _table(root):
        return IMAGE_FOLDER, table
    return class_folders(_place_of_folders(root, modality=modality)), None


def list_photos(root: Path, *, modality: str = "rgb") -> Listed:
    """(photographs of all phases with where each was listed, what cannot be taken), for an import or a check.

    `root` has a table or class folders. Raises UserError only where neither can be found or read.
    """
    root = _folder(root)
    layout, table = layout_of(root, modality=modality)
    return list_by_layout(root, table=table, layout=layout, modality=modality)


def _listed(root: Path, *, table: Path | None, modality: str) -> list[Photo]:
    if is_manifest(root):
        return manifest_photos(root)
    if table:
        refuse_other_encoding(table)
    listed, left_out = list_photos(root, modality=modality)
    if table:
        told = [f"{table} line {one.source_row.rpartition(':')[2]}: {one.detail}" for one in left_out]
        raise_together(told, heading=str(table), fix="Correct the table, then start again.")
    _refuse(left_out, heading=str(root))
    return [photo for photo, _ in listed]


def _refuse(left_out: Sequence[LeftOut], *, heading: str) -> None:
    raise_together(
        [one.detail for one in left_out], heading=heading, fix="Convert, move or remove it, then start again."
    )


def _plain_folder(root: Path, *, phase: str) -> list[Photo]:
    """The images of a folder without class folders."""
    if any(_has_phases(place) for place in (root, root / "rgb")):
        return []
    left_out: list[LeftOut] = []
    photos = [Photo(path=str(path), phase=phase) for path in photographs_in(root, root=root, left_out=left_out)]
    _refuse(left_out, heading=str(root))
    return photos


def _place_of_folders(root: Path, *, modality: str) -> str:
    """The folder below `root` that the class folders lie in: "" or the modality."""
    places = [below for below in ("", modality) if _has_phases(root / below)]
    if len(places) > 1:
        raise UserError(f"{root} has folders of phases, and {root / modality} too.", "Name the folder that is meant.")
    if not places:
        seen = ", ".join(sorted(entry.name for entry in root.iterdir())[:8])
        other = next((path.name for path in sorted(root.iterdir()) if path.suffix.lower() in OTHER_TABLES), None)
        fix = f"Put photographs into {root}/I, {root}/P and {root}/R"
        raise UserError(
            f"{root} has neither {' nor '.join(TABLES)} nor a folder {', '.join(PHASES)} (it holds {seen}).",
            f"{fix}, or import them: woundgen data import {root} --table {root / other}." if other else f"{fix}.",
        )
    return places[0]


def _has_phases(place: Path) -> bool:
    return place.is_dir() and any(one.is_dir() and one.name.upper() in PHASE_VALUES for one in place.iterdir())


def _refuse_too_few(photos: Sequence[Photo], *, phases: Sequence[str], source: Path) -> None:
    found = Counter(photo.phase for photo in photos)
    for phase in phases:
        if not found[phase]:
            others = ", ".join(f"{name}: {found[name]}" for name in sorted(found)) or "none at all"
            raise UserError(
                f"{source} has no photograph of phase {phase} ({others}).",
                f"Add photographs of phase {phase} ({', '.join(SUFFIXES)}).",
            )
        if found[phase] < MINIMUM_PER_PHASE:
            raise UserError(
                f"{source} has one photograph of phase {phase}; at least {MINIMUM_PER_PHASE} are needed, "
                "so that one can be held out.",
                f"Add photographs of phase {phase}.",
            )


def phases_below(root: Path, *, modality: str = "rgb") -> tuple[str, ...]:
    """The phases that `root` has photographs of. Raises UserError as find_photos does."""
    root = _folder(root)
    table = _table(root)
    photos = _listed(root, table=table, modality=modality)
    return tuple(phase for phase in PHASES if any(photo.phase == phase for photo in photos))
