"""COCO's JSON as rows: a row a box, its category's name as the label (cocodataset.org, "Data format")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from woundgen.data.files.paths import relative_name
from woundgen.errors import UserError
from woundgen.storage.files import parse_json

LARGEST = 256 << 20
IMAGE_FOLDERS = ("", "images", "data")  # where file_name may lie below the root


def coco_rows(root: Path, *, table: Path | None) -> Iterator[tuple[str, dict[str, str]]]:
    """(FILE:annotation ID, role -> cell). A photograph without a box has a row without a label.

    table: the JSON file; None where a single file lies in the root or its folder `annotations`.
    """
    path = table or _only_json(root)
    content = _read(path)
    names = {entry["id"]: str(entry["name"]) for entry in _list(content, "categories", path)}
    boxed: set[Any] = set()
    images = {entry["id"]: _below(root, str(entry["file_name"])) for entry in _list(content, "images", path)}
    for number, entry in enumerate(_list(content, "annotations", path)):
        named = entry.get("id", number)
        source = f"{path.name}:annotation {named}"
        if entry.get("image_id") not in images:
            raise UserError(f"{path}: annotation {named} is of an image that is not listed.", "Mend it.")
        boxed.add(entry["image_id"])
        row = {"file_name": images[entry["image_id"]], "phase": names.get(entry.get("category_id"), "")}
        yield source, row | {"box": " ".join(map(str, entry.get("bbox") or ()))}
    for identifier, name in images.items():
        if identifier not in boxed:
            yield f"{path.name}:image {identifier}", {"file_name": name, "phase": "", "box": ""}


def _only_json(root: Path) -> Path:
    files = [path for folder in (root, root / "annotations") for path in sorted(folder.glob("*.json"))]
    if len(files) != 1:
        names = ", ".join(path.name for path in files[:4]) or "none"
        raise UserError(f"{root} and {root / 'annotations'} hold {names} as JSON files.", "Name it: --table FILE.")
    return files[0]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as handle:
            content = parse_json(handle.read(LARGEST), name=str(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).", "Name the JSON file with --table.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not COCO's JSON (no object).", "Give a file with images, annotations, categories.")
    return content


def _list(content: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """The objects below a key, each with what every reader of COCO relies on."""
    needed = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ("image_id",)}[key]
    entries = content.get(key)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(name), int | str) for name in needed) for entry in entries
    ):
        raise UserError(
            f"{path} is not COCO's JSON: {key} is no list of objects with {' and '.join(needed)}.",
            "Give a file with images, annotations and categories.",
        )
    return entries


def _below(root: Path, name: str) -> str:
    """The name below the root, searched for in the folders that tools use."""
    plain = name.replace("\\", "/")
    relative_name(plain)
    candidates = (f"{folder}/{plain}" if folder else plain for folder in IMAGE_FOLDERS)
    return next((name for name in candidates if (root / name).is_file()), plain)
