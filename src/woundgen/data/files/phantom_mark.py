"""Whether an image file is of a rendered wound and not of a person."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

MARKS = ("Rendered phantom", "Synthetic image: rendered phantom")
"""How the description of a phantom's PNG begins; the first is of earlier versions."""


def is_phantom(path: Path) -> bool:
    """Whether the file is marked as rendered. False for files of other formats, or unreadable ones."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with Image.open(path) as image:
            return str(image.info.get("Description", "")).startswith(MARKS)
    except OSError:
        return False
