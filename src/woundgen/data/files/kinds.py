"""Which files of a folder are photographs: by their suffix, and DICOM by its content."""

from __future__ import annotations

from pathlib import Path

from woundgen.data.files.dicom import is_dicom
from woundgen.data.files.images import SUFFIXES

# Left out silently these would be missed; reading them needs a person's decision or another decoder.
OTHER_IMAGES = (".gif", ".jp2", ".jfif", ".jxl", ".psd", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2")


def looks_like_photograph(path: Path) -> bool:
    """By its suffix; DICOM, whose files often have none or .dicom, by its content. Not "._x.jpg" of macOS."""
    if path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    if suffix in SUFFIXES + OTHER_IMAGES:
        return True
    # Names of archives are of 8 letters and figures (PS3.10, 8.5), or an identifier of figures and dots.
    return (suffix in ("", ".dicom", ".ima") or suffix[1:].isdigit()) and is_dicom_file(path)


def is_dicom_file(path: Path) -> bool:
    """By the mark in its first bytes; not an archive's table of contents."""
    try:
        if path.name.upper() == "DICOMDIR" or not path.is_file():
            return False
        with path.open("rb") as handle:
            return is_dicom(handle.read(132))
    except OSError:
        return False
