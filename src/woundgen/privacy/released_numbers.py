"""The attack of whoever has a candidate's photograph and the files beside the images of a set.

A stored score of an image against photographs is its distance to the nearest one. Whoever holds a photograph computes
the distance again: an equal number proves that the photograph was among them, and a smaller distance disproves it.
No model and no key are needed. Which columns hold such scores the attacker finds out from the numbers themselves.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

SHARE_EQUAL = 0.5  # of a column's rows with an equal distance, from which it is taken for distances
EQUAL = 3e-6
"""Relative difference up to which two numbers are one distance: float32 on another machine differs by less."""
TEXT_FILES = (".json", ".jsonl", ".csv", ".md", ".txt", ".html")
_IMAGE = re.compile(r"(\d{6,})\.png")
_NUMBER = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?|-?\d+[eE][-+]?\d+")


@dataclass(frozen=True, slots=True)
class Attack:
    """scores [M]: higher where a photograph looks more like a member. columns: that hold distances to photographs.

    proven, excluded [M]: by a number that equals the photograph's distance, and by one that is larger.
    """

    scores: Values
    proven: npt.NDArray[np.bool_]
    excluded: npt.NDArray[np.bool_]
    columns: tuple[str, ...]


def read_columns(folder: Path, names: Sequence[str]) -> dict[str, Values]:
    """Numbers beside the images `names` of a set, from every text file in it: column -> [N], NaN where there is none.

    Rows of JSON lines and CSV belong to the image they name; any other line to the images whose name is on it.
    """
    rows = {name: row for row, name in enumerate(names)}
    columns: dict[str, Values] = defaultdict(lambda: np.full(len(names), np.nan))
    for path in sorted(folder.rglob("*")):
        if path.suffix not in TEXT_FILES or not path.is_file():
            continue
        for fields in _rows_of(path):
            named = (found[0] for text in fields.values() if (found := _IMAGE.search(str(text))))
            image = next((rows[name] for name in named if name in rows), None)
            for key, value in fields.items() if image is not None else ():
                if isinstance(value, float):
                    columns[f"{path.name}: {key}"][image] = value
    return dict(columns)


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="", errors="replace") as handle:
            for row in csv.DictReader(handle):
                yield {str(key): _as_float(value) for key, value in row.items()}
        return
    for line in path.read_text(errors="replace").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if isinstance(content, dict):
            yield dict(_flat(content))
        elif found := _IMAGE.search(line):
            yield {"name": found[0], **{f"number {i}": float(text) for i, text in enumerate(_NUMBER.findall(line))}}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, list):
            yield from _flat({str(i): item for i, item in enumerate(value)}, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _as_float(text: Any) -> Any:
    return float(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else text


def attack(columns: Mapping[str, Values], distances: Iterable[Values]) -> Attack:
    """columns: read_columns. distances: each [N, M] of N released images from M candidates, by one measure.

    A column is taken for distances to photographs where for most of its rows a candidate's distance is equal.
    """
    measures = [np.asarray(one, np.float64) for one in distances]
    count = measures[0].shape[1]
    proven, excluded, closest = np.zeros(count, bool), np.zeros(count, bool), np.full(count, np.inf)
    found = []
    for name, column in columns.items():
        rows = np.isfinite(column) & (column != 0)
        if not rows.any():
            continue
        for one in measures:
            ratio = one[rows] / column[rows, None] - 1  # [rows, M]
            closest = np.minimum(closest, np.abs(ratio).min(axis=0))
            equal = np.abs(ratio) <= EQUAL
            if equal.any(axis=1).mean() >= SHARE_EQUAL:  # one in many rows is equal by chance
                found.append(name)
                proven |= equal.any(axis=0)
                excluded |= (ratio < -EQUAL).any(axis=0)
    excluded &= ~proven
    nearness = -np.log(np.maximum(closest, 1e-12)) / 100 if np.isfinite(closest).all() else np.zeros(count)
    return Attack(proven - excluded.astype(float) + nearness, proven, excluded, tuple(dict.fromkeys(found)))
