"""How an export is laid out: columns → roles, file names → fields, values → phases. A data set is a value, not code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from woundgen.data.phases import PHASE_VALUES


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

KEYED: Mapping[str, KeyedMapping] = MappingProxyType({"clinic": CLINIC})


def unpadded(cell: str) -> str:
    """One spelling of an identifier: "007", " 7" and "7.0" (a spreadsheet's float) are "7"."""
    text = cell.strip()
    text = text.removesuffix(".0")
    return str(int(text)) if text.isascii() and text.isdigit() else text


def same_field(in_name: str, in_table: str) -> bool:
    """Whether a file name and a table say the same: numbers by value, words by first letter (B, "Before")."""
    name, table = unpadded(in_name).upper(), unpadded(in_table).upper()
    return not table or name == table or (name.isalpha() and table.isalpha() and table.startswith(name))
