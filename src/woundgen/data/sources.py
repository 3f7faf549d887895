"""Find the photographs below a folder, in the forms users have them.

1. ROOT/metadata.csv or ROOT/metadata.jsonl, the ImageFolder convention of `datasets`: see data/tables.py.
2. The manifest of `woundgen data import`: see data/manifest.py.
3. Class folders: ROOT/{I,P,R}/* or ROOT/<modality>/{I,P,R}/*; the spellings of data/phases.py serve too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from woundgen.data.images import SUFFIXES
from woundgen.data.manifest import is_manifest, manifest_photos
from woundgen.data.paths import resolve_inside
from woundgen.data.phases import PHASE_VALUES, PHASES, read_phase
from woundgen.data.problems import Dropped, counted_as, raise_together
from woundgen.data.split import assert_no_leak
from woundgen.data.tables import list_photo_table, read_photo_table
from woundgen.errors import UserError
from woundgen.records import LeftOut, Photo

TABLES = ("metadata.csv", "metadata.jsonl")
MINIMUM_PER_PHASE = 2

# Left out silently these would be missed; reading them needs a person's decision or another decoder.
_OTHER_IMAGES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jfif", ".dng", ".nef", ".cr2")


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


def list_photos(root: Path, *, modality: str = "rgb") -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """(photographs of all phases with where each was listed, what cannot be taken), for an import or a check.

    `root` has a table or class folders. Raises UserError only where neither can be found or read.
    """
    root = _folder(root)
    if table := _table(root):
        return list_photo_table(table, root=root)
    left_out: list[LeftOut] = []
    place = _place_of_folders(root, modality=modality)
    return [
        (Photo(path=str(path), phase=phase), path.parent.relative_to(root).as_posix())
        for folder, phase in _phase_folders(place)
        for path in photographs_in(folder, root=root, left_out=left_out)
    ], left_out


def _listed(root: Path, *, table: Path | None, modality: str) -> list[Photo]:
    if is_manifest(root):
        return manifest_photos(root)
    if table:
        return read_photo_table(table, root=root)
    listed, left_out = list_photos(root, modality=modality)
    _refuse(left_out, heading=str(_place_of_folders(root, modality=modality)))
    return [photo for photo, _ in listed]


def _refuse(left_out: Sequence[LeftOut], *, heading: str) -> None:
    raise_together(
        [one.detail for one in left_out], heading=heading, fix="Convert, move or remove it, then start again."
    )


def _plain_folder(root: Path, *, phase: str) -> list[Photo]:
    """The images of a folder without class folders."""
    if any(_phase_folders(place) for place in (root, root / "rgb")):
        return []
    left_out: list[LeftOut] = []
    photos = [Photo(path=str(path), phase=phase) for path in photographs_in(root, root=root, left_out=left_out)]
    _refuse(left_out, heading=str(root))
    return photos


def _place_of_folders(root: Path, *, modality: str) -> Path:
    places = [place for place in (root, root / modality) if _phase_folders(place)]
    if len(places) > 1:
        raise UserError(f"{root} has folders of phases, and {places[1]} too.", "Name the folder that is meant.")
    if not places:
        seen = ", ".join(sorted(entry.name for entry in root.iterdir())[:8])
        raise UserError(
            f"{root} has neither {' nor '.join(TABLES)} nor a folder {', '.join(PHASES)} (it holds {seen}).",
            f"Put photographs into {root}/I, {root}/P and {root}/R.",
        )
    return places[0]


def _phase_folders(place: Path) -> list[tuple[Path, str]]:
    if not place.is_dir():
        return []
    folders = sorted(entry for entry in place.iterdir() if entry.is_dir())
    return [(folder, read_phase(folder.name)) for folder in folders if folder.name.upper() in PHASE_VALUES]


def photographs_in(folder: Path, *, root: Path, left_out: list[LeftOut]) -> list[Path]:
    """Image files of one folder; what looks like an image and cannot be taken is added to `left_out`."""
    photographs = []
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.name.startswith(".") or suffix not in SUFFIXES + _OTHER_IMAGES:  # "._x.jpg": macOS
            continue
        try:
            if suffix not in SUFFIXES:
                raise Dropped("format not accepted", f"{path} is not of an accepted format ({', '.join(SUFFIXES)}).")
            with counted_as("missing file"):
                resolve_inside(path, roots=[root])
            photographs.append(path)
        except Dropped as dropped:
            left_out.append(LeftOut(path.relative_to(root).as_posix(), dropped.reason, dropped.detail))
    return photographs


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
