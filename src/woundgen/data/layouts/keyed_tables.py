"""A clinic's export as (photograph, wound) units: boxes joined to labels by patient, visit AND wound.

A row is taken or left out with its reason; nothing is guessed. Every row of the box table is in one of the two.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from woundgen.data.files.images import photograph_size
from woundgen.data.files.paths import relative_name, resolve_inside
from woundgen.data.layouts.layout import KeyedMapping, Modality, same_field, unpadded
from woundgen.data.layouts.phases import read_phase
from woundgen.data.layouts.row_errors import Dropped, counted_as
from woundgen.data.layouts.table_cells import read_cells
from woundgen.errors import UserError
from woundgen.records import Box, LeftOut, Photo

Key = tuple[str, str, str]
Cells = dict[str, str]


def list_keyed(
    root: Path, *, table: Path | None, modality: str, mapping: KeyedMapping
) -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """(units taken with the lines they stand in, rows left out) of one modality, in the order of the box table.

    table: of labels. Raises UserError where a table is missing, unreadable or lacks a column.
    """
    if modality not in mapping.modalities:
        raise UserError(f"--modality {modality!r} is unknown.", f"Choose among {', '.join(mapping.modalities)}.")
    if table is None:
        raise UserError("Tables joined by keys need --table.", "Name the CSV that holds the labels.")
    labels = _labels(table, mapping=mapping)
    kind = mapping.modalities[modality]
    boxes = root / kind.boxes
    listed: list[tuple[Photo, str]] = []
    left_out: list[LeftOut] = []
    units = list(_cells(boxes, needed=(mapping.file_name, *mapping.key, *mapping.corners)))
    places = _boxes_of_each_unit(units, mapping=mapping)
    seen: dict[tuple[str, Key], int] = {}
    for line, cells in units:
        source = f"{boxes.name}:{line}"
        try:
            unit = _unit(cells, mapping=mapping)
            if len(places[unit]) > 1:
                raise Dropped("several boxes for one wound", f"{unit[0]} wound {unit[1][2]}: {len(places[unit])} boxes")
            if seen.setdefault(unit, line) != line:
                raise Dropped("repeated row", f"same as line {seen[unit]}")
            photo, lines = _photo(cells, root=root, modality=kind, mapping=mapping, labels=labels)
            listed.append((photo, f"{source} labels:{'+'.join(map(str, lines))}"))
        except Dropped as dropped:
            left_out.append(LeftOut(source, dropped.reason, dropped.detail))
    return listed, left_out


def _labels(table: Path, *, mapping: KeyedMapping) -> dict[Key, dict[str, list[int]]]:
    """key → label as it stands → lines. Two labels under one key are a conflict, found where it matters."""
    labels: dict[Key, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line, cells in _cells(table, needed=(*mapping.key, mapping.label)):
        labels[_key(cells, mapping=mapping)][cells[mapping.label].strip()].append(line)
    return labels


def _boxes_of_each_unit(
    units: Sequence[tuple[int, Cells]], *, mapping: KeyedMapping
) -> dict[tuple[str, Key], set[tuple[str, ...]]]:
    places: dict[tuple[str, Key], set[tuple[str, ...]]] = defaultdict(set)
    for _, cells in units:
        places[_unit(cells, mapping=mapping)].add(tuple(unpadded(cells[corner]) for corner in mapping.corners))
    return places


def _photo(
    cells: Cells, *, root: Path, modality: Modality, mapping: KeyedMapping, labels: dict[Key, dict[str, list[int]]]
) -> tuple[Photo, list[int]]:
    """The wound that a row of the box table is about, and the lines of its label."""
    name, key = _unit(cells, mapping=mapping)
    _refuse_disagreement(name, cells, modality=modality, mapping=mapping)
    label, lines = _label(key, labels=labels, mapping=mapping)
    with counted_as("missing file"):
        path = root / modality.folder / relative_name(name)
        resolve_inside(path, roots=[root])
    with counted_as("unreadable file"):
        size = photograph_size(path, roots=[root])
    return Photo(path=str(path), phase=label, group=key[0], box=_box(cells, size=size, mapping=mapping)), lines


def _refuse_disagreement(name: str, cells: Cells, *, modality: Modality, mapping: KeyedMapping) -> None:
    fields = mapping.fields_of(name)
    if fields is None:
        raise Dropped("file name not of the expected form", name)
    if fields["camera"] != modality.camera:
        raise Dropped("file name disagrees with the table", f"{name}: camera {fields['camera']}")
    for role, column in mapping.compared.items():
        if not same_field(fields[role], cells.get(column, "")):
            raise Dropped("file name disagrees with the table", f"{name}: {column} {cells[column]!r}")


def _label(key: Key, *, labels: dict[Key, dict[str, list[int]]], mapping: KeyedMapping) -> tuple[str, list[int]]:
    spoken = f"patient {key[0]}, visit {key[1]}, wound {key[2]}"
    if key not in labels:
        raise Dropped("no label", spoken)
    phases: dict[str, list[int]] = defaultdict(list)
    for text, lines in labels[key].items():
        try:
            phases[read_phase(text, values=mapping.values)].extend(lines)
        except UserError as error:
            raise Dropped("no label" if not text else "unknown label", f"{spoken}: {error.what}") from None
    if len(phases) > 1:
        raise Dropped("two labels under one key", f"{spoken}: {' and '.join(sorted(phases))}")
    return next(iter(phases.items()))


def _box(cells: Cells, *, size: tuple[int, int], mapping: KeyedMapping) -> Box:
    corners = [cells[corner] for corner in mapping.corners]
    try:
        x_min, y_min, x_max, y_max = map(float, corners)
        box = Box(math.floor(x_min), math.floor(y_min), math.ceil(x_max), math.ceil(y_max))
    except (ValueError, OverflowError):
        raise Dropped("box is not four numbers", ", ".join(corners)) from None
    if not (0 <= box.x_min < box.x_max <= size[0] and 0 <= box.y_min < box.y_max <= size[1]):
        raise Dropped("box empty or outside the photograph", f"({', '.join(corners)}) in {size[0]}x{size[1]}")
    return box


def _unit(cells: Cells, *, mapping: KeyedMapping) -> tuple[str, Key]:
    return cells[mapping.file_name].strip(), _key(cells, mapping=mapping)


def _key(cells: Cells, *, mapping: KeyedMapping) -> Key:
    patient, visit, wound = (unpadded(cells[column]) for column in mapping.key)
    return patient, visit, wound


def _cells(table: Path, *, needed: Sequence[str]) -> Iterator[tuple[int, Cells]]:
    """(line, column → cell) of each row that is not blank; absent cells are blank."""
    content = read_cells(table)
    header = [name.strip() for name in content.header]
    absent = [name for name in needed if header.count(name) != 1]
    if absent:
        raise UserError(f"{table} has not exactly one column {absent[0]} (it has {', '.join(header)}).", "Rename it.")
    blank = dict.fromkeys(header, "")
    for line, cells in content.rows:
        if any(cells.values()):
            yield line, blank | {name.strip(): cell for name, cell in cells.items() if name}
