"""Salted ids: whether a generator has seen a patient can be told without naming anyone.

A mark is a keyed digest of a group's id or of a photograph's bytes. Whoever has the key and the photographs can
look for overlaps; whoever has the marks alone can read nothing from them and cannot try ids out. So the key
stays in the run's folder, and marks travel with what was generated.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

from woundgen.data.files.images import read_file
from woundgen.records import Photo

_LENGTH = 16  # hexadecimal digits: 64 bits


def new_key() -> str:
    return secrets.token_hex(16)


def fingerprint(key: str) -> str:
    """By which a key is found again, and which does not give it away."""
    return hashlib.sha256(f"key:{key}".encode()).hexdigest()[:_LENGTH]


def marks_of(photos: Sequence[Photo], *, key: str, roots: Sequence[Path]) -> list[list[str]]:
    """The marks of each photograph: of its group, where it has one, and of its content.

    The content as well, because a patient may be called otherwise in another table, and clusters of near
    duplicates change their names with the photographs around them.
    """
    content: dict[str, str] = {}
    for photo in photos:
        if photo.path not in content:
            content[photo.path] = hashlib.sha256(read_file(Path(photo.path), roots=roots)).hexdigest()
    return [
        [_mark(f"file:{content[photo.path]}", key), *([mark_of_group(photo.group, key=key)] if photo.group else [])]
        for photo in photos
    ]


def mark_of_group(group: str, *, key: str) -> str:
    """The mark of a patient's id."""
    return _mark(f"group:{group}", key)


def _mark(text: str, key: str) -> str:
    return hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()[:_LENGTH]
