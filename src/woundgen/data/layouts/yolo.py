"""YOLO folders as rows: labels/*.txt and images/*, or both side by side; class names in data.yaml or classes.txt.

As Ultralytics, and as Darknet and labelImg lay them out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from woundgen.data.files.images import SUFFIXES, photograph_size
from woundgen.data.layouts.photo_table import SPLIT_VALUES, Row
from woundgen.errors import UserError
from woundgen.storage.bounded_yaml import read_yaml

SETTINGS = ("data.yaml", "data.yml", "dataset.yaml")
CLASSES = ("classes.txt", "obj.names")
NEAR = 1.0  # pixels that a rounded share may lie outside the photograph


def yolo_rows(root: Path) -> Iterator[tuple[str, Row]]:
    """(FILE:LINE, role -> cell) of every photograph in a folder `images`; its labels lie in a folder `labels`.

    Without such a folder, of every photograph; its labels lie beside it.

    A line is a class and a box (middle and size as shares) or a polygon, whose box is taken. Folders named train, val
    or test say the side.
    """
    names = _class_names(root)
    every = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in SUFFIXES]
    photographs = [path for path in every if _images_at(path, root) is not None] or every
    if not any(_label_file(path, root).is_file() for path in photographs):
        raise UserError(f"{root} holds no labels of photographs (.txt).", "YOLO has images/ and labels/.")
    for path in photographs:
        labels = _label_file(path, root)
        source = labels.relative_to(root).as_posix()
        common = {"file_name": path.relative_to(root).as_posix(), "split": _split(path, root)}
        if not labels.is_file():
            yield f"{source}:0", {**common, "phase": ""}
            continue
        try:
            yield from _read_rows(path, labels, names, root=root, source=source, common=common)
        except UserError as error:
            yield f"{source}:0", error


def _read_rows(
    path: Path, labels: Path, names: Mapping[int, str], *, root: Path, source: str, common: dict[str, str]
) -> Iterator[tuple[str, Row]]:
    size = photograph_size(path, roots=[root])
    lines = [(number, line.split()) for number, line in enumerate(_text(labels).splitlines(), start=1)]
    filled = [(number, words) for number, words in lines if words]
    for number, words in filled:
        try:
            yield f"{source}:{number}", {**common, **_cells(words, names, size)}
        except UserError as error:
            yield f"{source}:{number}", error
    if not filled:
        yield f"{source}:0", {**common, "phase": ""}


def _cells(words: list[str], names: Mapping[int, str], size: tuple[int, int]) -> dict[str, str]:
    try:
        number, *shares = (int(words[0]), *(float(word) for word in words[1:]))
    except ValueError:
        raise UserError(f"{' '.join(words)[:60]!r} is not a class and numbers.") from None
    if number not in names:
        raise UserError(f"class {number} has no name ({', '.join(map(str, names.values())) or 'none are given'}).")
    if len(shares) == 4:
        x, y, width, height = shares
        corners = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    elif len(shares) >= 6 and len(shares) % 2 == 0:
        corners = min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])
    else:
        raise UserError(f"{len(shares)} numbers after the class, where a box has 4 and a polygon 6 or more.")
    roles = ("x_min", "y_min", "x_max", "y_max")
    pixels = (_pixel(share, size[at % 2]) for at, share in enumerate(corners))
    return {"phase": names[number], **{role: f"{pixel:.3f}" for role, pixel in zip(roles, pixels, strict=True)}}


def _pixel(share: float, side: int) -> float:
    """Rounded shares may lie a little outside; what lies further out is left for the row's check to refuse."""
    pixel = share * side
    near = math.isfinite(pixel) and -NEAR <= pixel <= side + NEAR
    return min(max(pixel, 0.0), float(side)) if near else pixel


def _class_names(root: Path) -> dict[int, str]:
    """Class number -> name."""
    for name in SETTINGS:
        if (root / name).is_file():
            return _named(read_yaml(root / name), root / name)
    for name in CLASSES:
        if (root / name).is_file():
            return dict(enumerate(line.strip() for line in _text(root / name).splitlines()))
    raise UserError(f"{root} has neither {' nor '.join((SETTINGS[0], CLASSES[0]))}.", "They name the classes.")


def _named(content: Any, path: Path) -> dict[int, str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict) and all(str(number).isdigit() for number in names):
        return {int(number): str(name) for number, name in names.items()}
    raise UserError(f"{path} has no names: of the classes.", "Such as names: [I, P, R].")


def _label_file(path: Path, root: Path) -> Path:
    """The last folder `images` of the path becomes `labels`, in the same case."""
    at = _images_at(path, root)
    if at is None:
        return path.with_suffix(".txt")
    parts = list(path.relative_to(root).parts)
    labels = {"images": "labels", "IMAGES": "LABELS"}.get(parts[at], "Labels")
    return root.joinpath(*parts[:at], labels, *parts[at + 1 :]).with_suffix(".txt")


def _images_at(path: Path, root: Path) -> int | None:
    """Return the place of the last folder `images` in the path."""
    return max((at for at, part in enumerate(_parts(path, root)) if part.lower() == "images"), default=None)


def _split(path: Path, root: Path) -> str:
    return next((part for part in _parts(path, root) if part.lower() in SPLIT_VALUES), "")


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts[:-1]


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[: 8 << 20].decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path.name} cannot be read ({error.strerror}).", "Check its permissions.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 (byte {error.start}).", "Save it again.") from None
