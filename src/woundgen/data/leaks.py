"""Check that no group and no file stands on two sides of a split."""

from __future__ import annotations

from collections.abc import Sequence

from woundgen.errors import UserError
from woundgen.records import Photo

ONE_SIDE = "Put both on one side, or leave `split` out and let woundgen divide them."


def assert_no_leak(photos: Sequence[Photo]) -> None:
    """Raise UserError, naming both photographs, where a group or a file is on two sides."""
    for key in ("group", "path"):
        first: dict[str, Photo] = {}
        for photo in photos:
            value = getattr(photo, key)
            if value is None or photo.split is None:
                continue
            other = first.setdefault(value, photo)
            if other.split != photo.split:
                raise UserError(
                    f"{key} {value!r} is on two sides: {photo_side(other)} and {photo_side(photo)}.", ONE_SIDE
                )


def photo_side(photo: Photo) -> str:
    return f"{photo.path} ({photo.split})"
