"""Photographs in HEIC and HEIF files, as telephones write them. Needs: pip install 'woundgen[heic]'."""

from __future__ import annotations

from woundgen.errors import UserError

SUFFIXES = (".heic", ".heif")
FORMAT = "HEIF"  # Pillow's name for what the decoder opens
MARK = b"ftyp"  # ISO/IEC 14496-12, 4.3: the box that names the brands
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})  # ISO/IEC 23008-12
_AVIF = frozenset({b"avif", b"avis"})  # Pillow itself reads these, which share the container


def is_heif(start: bytes) -> bool:
    """Whether a file that begins with these bytes (64 or more) is HEIF and not AVIF, by its brands."""
    if start[4:8] != MARK:
        return False
    size = min(int.from_bytes(start[:4], "big"), len(start))
    brands = {start[8:12], *(start[at : at + 4] for at in range(16, size, 4))}
    return bool(brands & _BRANDS) and not brands & _AVIF


def require_decoder(name: str) -> None:
    """Let Pillow open HEIF. UserError that names the package where it is absent."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise UserError(f"{name} is HEIC, and pillow-heif is not installed.", "pip install 'woundgen[heic]'") from None
    register_heif_opener()
