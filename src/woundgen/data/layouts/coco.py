"""COCO's JSON as rows: a row a box, its category's name as the label (cocodataset.org, "Data format")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from woundgen.data.files.images import SUFFIXES
from woundgen.data.files.paths import find_below, relative_name
from woundgen.data.layouts.photo_table import Row
from woundgen.errors import UserError
from woundgen.storage.files import parse_json

LARGEST = 256 << 20
NEAR = 1.0  # pixels that a rounded box may lie outside the photograph
IMAGE_FOLDERS = ("", "images", "data")  # where file_name may lie below the root


def coco_rows(root: Path, *, table: Path | None) -> Iterator[tuple[str, Row]]:
    """(FILE:annotation ID, role -> cell or why there are none). A photograph without a box has a row without a label.

    table: the JSON file; None where a single file lies in the root or its folder `annotations`.
    """
    path = table or _only_json(root)
    content = _read(path)
    names = {entry["id"]: str(entry["name"]) for entry in _list(content, "categories", path)}
    boxed: set[Any] = set()
    images = {entry["id"]: entry for entry in _list(content, "images", path)}
    places = _Places(root)
    for number, entry in enumerate(_list(content, "annotations", path)):
        named = entry.get("id", number)
        source = f"{path.name}:annotation {named}"
        if entry.get("image_id") not in images:
            raise UserError(f"{path}: annotation {named} is of an image that is not listed.", "Mend it.")
        boxed.add(entry["image_id"])
        image = images[entry["image_id"]]
        row = {"file_name": places.find(str(image["file_name"])), "phase": names.get(entry.get("category_id"), "")}
        try:
            yield source, row | {"box": " ".join(map(str, _box(entry, image)))}
        except UserError as error:
            yield source, error
    for identifier, image in images.items():
        if identifier not in boxed:
            name = places.find(str(image["file_name"]))
            yield f"{path.name}:image {identifier}", {"file_name": name, "phase": "", "box": ""}


def _box(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> list[Any]:
    """x, y, width and height: `bbox`, else of the polygons; empty where there is neither.

    What lies up to a pixel outside the photograph is rounding and is cut off. UserError for what is no single wound.
    """
    if annotation.get("iscrowd"):
        raise UserError("a crowd (iscrowd: 1) is no single wound.")
    box, shapes = annotation.get("bbox") or [], annotation.get("segmentation")
    if not box and isinstance(shapes, dict):
        raise UserError("a mask in run lengths without a bbox.")
    try:
        if not box and shapes:
            xs, ys = ([float(value) for shape in shapes for value in shape[start::2]] for start in (0, 1))
            box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        if len(box) != 4:
            return list(box)  # the row's check says what is wrong with it
        x, y, width, height = map(float, box)
    except (TypeError, ValueError):
        return list(box) if isinstance(box, list) else [box]
    left, right = _cut(x, image.get("width")), _cut(x + width, image.get("width"))
    top, bottom = _cut(y, image.get("height")), _cut(y + height, image.get("height"))
    return [left, top, right - left, bottom - top]


def _cut(value: float, side: object) -> float:
    if isinstance(side, int | float) and side < value <= side + NEAR:
        return float(side)
    return 0.0 if -NEAR <= value < 0 else value


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
    if not all(isinstance(entry.get("category_id"), int | str | None) for entry in entries):
        raise UserError(f"{path} is not COCO's JSON: a category_id is neither a number nor text.", "Mend it.")
    return entries


class _Places:
    """Photographs below a root, by the names that COCO has for them, which may leave out the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[str]] | None = None

    def find(self, name: str) -> str:
        """The name below the root: in the folders that tools use, else where a single file below it is called so."""
        plain = name.replace("\\", "/")
        relative_name(plain)
        for folder in IMAGE_FOLDERS:
            place = find_below(self._root, relative_name(f"{folder}/{plain}" if folder else plain))
            if place.is_file():
                return place.relative_to(self._root).as_posix()
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in sorted(self._root.rglob("*")):
                if path.suffix.lower() in SUFFIXES:
                    self._by_name[path.name].append(path.relative_to(self._root).as_posix())
        alike = self._by_name.get(plain, [])
        return alike[0] if len(alike) == 1 else plain
