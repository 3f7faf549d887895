"""Pascal VOC's XML files as rows: a row an object, its name the label (Everingham et al. 2010, development kit)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from woundgen.data.files.images import SUFFIXES
from woundgen.data.files.paths import find_below
from woundgen.data.layouts.photo_table import Row
from woundgen.errors import UserError

LARGEST = 4 << 20
IMAGE_FOLDERS = ("JPEGImages", "images", "")


def voc_rows(root: Path) -> Iterator[tuple[str, Row]]:
    """(FILE:object N, role -> cell) of every XML file in Annotations, annotations or the root.

    Pixels are counted from 1 there and the maximum is inclusive; here from 0, and exclusive.
    """
    folder = next((root / name for name in ("Annotations", "annotations") if (root / name).is_dir()), root)
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise UserError(f"{folder} holds no XML files.", "Pascal VOC has Annotations/*.xml and JPEGImages.")
    for path in files:
        source = path.relative_to(root).as_posix()
        try:
            yield from _read_rows(path, root=root, source=source)
        except UserError as error:
            yield f"{source}:0", error


def _read_rows(path: Path, *, root: Path, source: str) -> Iterator[tuple[str, Row]]:
    tree = _parse(path)
    name = _photograph(tree.findtext("filename") or "", path, root=root)
    objects = tree.findall("object")
    for number, entry in enumerate(objects, start=1):
        row: dict[str, str] = {"file_name": name, "phase": (entry.findtext("name") or "").strip(), "group": ""}
        corners = {role: entry.findtext(f"bndbox/{role.replace('_', '')}") for role in _ROLES}
        yield f"{source}:object {number}", row | {role: _from_zero(role, text) for role, text in corners.items()}
    if not objects:
        yield f"{source}:object 0", {"file_name": name, "phase": "", **dict.fromkeys(_ROLES, "")}


_ROLES = ("x_min", "y_min", "x_max", "y_max")


def _from_zero(role: str, text: str | None) -> str:
    try:
        value = float(text or "")
    except ValueError:
        return text or ""
    return str(max(0.0, value - 1) if role.endswith("min") else value)


def _parse(path: Path) -> ElementTree.Element:
    try:
        content = path.read_bytes()[: LARGEST + 1]
    except OSError as error:
        raise UserError(f"{path.name} cannot be read ({error.strerror}).", "Check its permissions.") from None
    if len(content) > LARGEST or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UserError(f"{path.name} is no annotation (too large, or with entities).", "Save it again.")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise UserError(f"{path.name} is no XML ({error}).", "Save it again.") from None


def _photograph(named: str, path: Path, *, root: Path) -> str:
    """The photograph's name below the root: from the file, else by its stem."""
    name = named.replace("\\", "/").rpartition("/")[2]
    stems = [name] if name else []
    stems += [f"{path.stem}{suffix}" for suffix in SUFFIXES]
    candidates = [f"{folder}/{file}" if folder else file for file in stems for folder in IMAGE_FOLDERS]
    places = (find_below(root, PurePosixPath(file)) for file in candidates)
    return next((place.relative_to(root).as_posix() for place in places if place.is_file()), name or path.stem)
