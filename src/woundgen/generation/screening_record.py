"""The private record of the photographs that a set was screened against: it goes on against the same or not at all.

The digest is a function of the photographs: whoever holds all of them could confirm with it that they made a set. So
it stands beside the set and not in it. Sets of earlier versions hold it in set.json and go on with it there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.files import read_json, write_bytes
from woundgen.storage.names import SET_JSON, private_folder
from woundgen.storage.ownership import make_private

SCREENING_JSON = "screening.json"
KEY = "references"


def older_record(out: Path, digest: str) -> dict[str, Any]:
    """{"references": digest} where the set in `out` holds it in public, as earlier versions wrote it; else {}."""
    if not (out / SET_JSON).is_file():
        return {}
    screening = read_json(out / SET_JSON).get("screening") or {}
    return {KEY: digest} if screening.get(KEY) == digest else {}


def hold_to_references(out: Path, digest: str) -> None:
    """Note `digest` in the private folder of `out`. UserError where the set was screened against other photographs."""
    place = private_folder(out) / SCREENING_JSON
    if place.is_file():
        if read_json(place).get(KEY) != digest:
            raise UserError(
                f"{out} was screened against other photographs, or by another calibration of them.",
                "Give the same --real, or choose another --out.",
            )
        return
    make_private(place.parent)
    write_bytes(place, f'{{"{KEY}": "{digest}"}}\n'.encode(), private=True)
