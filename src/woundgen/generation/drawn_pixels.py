"""Whether the images of a set are still those that were drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from woundgen.data.files.images import read_photograph
from woundgen.data.files.paths import resolve_inside
from woundgen.errors import UserError


def check_drawn_image(folder: Path, row: Mapping[str, Any]) -> Path:
    """Return the file of a row of the manifest in `folder`. UserError where it does not hold the pixels drawn."""
    path = resolve_inside(folder / row["file_name"], roots=[folder])
    if hashlib.sha256(read_photograph(path, roots=[folder]).tobytes()).hexdigest() != row["sha256"]:
        raise UserError(f"{path} is not the picture that was drawn.", "Draw the set anew, or restore the picture.")
    return path
