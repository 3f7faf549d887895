"""How photographs are laid out, in one mapping: columns → roles, names → roles, values → phases.

Every source is a `Layout`, the presets too: class folders, ImageFolder tables, the clinic's export, and what a user
writes (data/layouts/layout_file.py). A data set is a value, not code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from woundgen.data.layouts.phases import PHASE_VALUES

Annotations = Literal["coco", "voc", "yolo"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Role → the column names that may fill it; the first present does. Other columns are ignored.

    A box is given by its corners, by x, y, width and height, or by a cell of those four numbers.
    """

    file_name: tuple[str, ...] = ("file_name",)
    phase: tuple[str, ...] = ("phase", "label")
    group: tuple[str, ...] = ("group_id", "group", "patient")
    x_min: tuple[str, ...] = ("x_min", "xmin")
    y_min: tuple[str, ...] = ("y_min", "ymin")
    x_max: tuple[str, ...] = ("x_max", "xmax")
    y_max: tuple[str, ...] = ("y_max", "ymax")
    x: tuple[str, ...] = ("x", "bbox_x")
    y: tuple[str, ...] = ("y", "bbox_y")
    width: tuple[str, ...] = ("w", "bbox_w")
    height: tuple[str, ...] = ("h", "bbox_h")
    box: tuple[str, ...] = ("box", "bbox")
    text: tuple[str, ...] = ("text", "prompt")
    split: tuple[str, ...] = ("split",)


@dataclass(frozen=True, slots=True)
class Modality:
    """folder of images, the letter of its camera in file names, and the table of its boxes, below the root."""

    folder: str
    camera: str
    boxes: str


@dataclass(frozen=True, slots=True)
class KeyedMapping:
    """A label table and box tables that share the key (patient, visit, wound).

    name: regular expression of a whole file name; its groups patient, visit, debridement, camera and angle are
    compared with the box table's columns of these roles, where both exist. The wound in the name is that of the
    first box only, so it is not compared: a photograph shows up to three.
    """

    modalities: Mapping[str, Modality]
    name: str
    key: tuple[str, str, str]
    label: str
    file_name: str
    compared: Mapping[str, str]
    corners: tuple[str, str, str, str]
    values: Mapping[str, str]

    def fields_of(self, file_name: str) -> dict[str, str] | None:
        """Role → text in the file name, or None where it is not of the expected form."""
        found = re.fullmatch(self.name, file_name)
        return found.groupdict() if found else None


CLINIC = KeyedMapping(
    modalities=MappingProxyType(
        {
            "rgb": Modality("Depth_RGB", "D", "bounding_box_depth.csv"),
            "depth_map": Modality("Depth_Map_IMG", "D", "bounding_box_depth.csv"),
            "thermal_rgb": Modality("Thermal_RGB", "T", "bounding_box_thermal.csv"),
            "thermal_map": Modality("Thermal_Map_IMG", "T", "bounding_box_thermal.csv"),
        }
    ),
    name=(
        r"(?P<id>[0-9]+)_P(?P<patient>[0-9]{3})(?P<visit>[0-9]{2})(?P<wound>[0-9])"
        r"(?P<debridement>[BA])(?P<camera>[DT])(?P<angle>[RML])(?P<zoom>[ZW])\.png"
    ),
    key=("Patient#", "Appt#", "DFU#"),
    label="Healing Phase Abs",
    file_name="Filename",
    compared=MappingProxyType(
        {"patient": "Patient#", "visit": "Appt#", "debridement": "DebriStat", "camera": "Camera", "angle": "Angle"}
    ),
    corners=("Xmin", "Ymin", "Xmax", "Ymax"),
    values=PHASE_VALUES,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """columns: of a table; None where there is none and names say everything. name: regular expression whose groups
    are roles, matched against the whole path below the root. folders: the same for the folders that photographs are
    looked for in ("." is the root); None for all. values: spelling (capitals) → phase. keyed: two tables instead.
    annotations: files of boxes instead of a table, their class names the labels.
    """

    columns: Columns | None
    name: str | None
    values: Mapping[str, str]
    keyed: KeyedMapping | None = None
    folders: str | None = None
    annotations: Annotations | None = None


IMAGE_FOLDER = Layout(Columns(), None, PHASE_VALUES)
PRESETS: Mapping[str, Layout] = MappingProxyType(
    {"clinic": Layout(None, None, CLINIC.values, CLINIC)}
    | {kind: Layout(None, None, PHASE_VALUES, annotations=kind) for kind in get_args(Annotations)}
)


def class_folders(below: str) -> Layout:
    """I/, P/ and R/, or other spellings of the phases, in the root ("") or in a folder of it."""
    start = f"{re.escape(below)}/" if below else ""
    spellings = "|".join(map(re.escape, PHASE_VALUES))
    return Layout(None, rf"{start}(?P<phase>[^/]+)/[^/]+", PHASE_VALUES, folders=rf"{start}(?i:{spellings})")


def unpadded(cell: str) -> str:
    """One spelling of an identifier: "007", " 7" and "7.0" (a spreadsheet's float) are "7"."""
    text = cell.strip()
    text = text.removesuffix(".0")
    return str(int(text)) if text.isascii() and text.isdigit() else text


def same_field(in_name: str, in_table: str) -> bool:
    """Whether a file name and a table say the same: numbers by value, words by first letter (B, "Before")."""
    name, table = unpadded(in_name).upper(), unpadded(in_table).upper()
    return not table or name == table or (name.isalpha() and table.isalpha() and table.startswith(name))
