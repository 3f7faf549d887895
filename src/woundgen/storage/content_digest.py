"""A digest that a JSON file carries of its content, so that a change of the file by accident or hand shows.

It is no signature: whoever changes a file on purpose can compute the digest anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from woundgen.errors import UserError

CONTENT_DIGEST = "content_sha256"


def add_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content, as JSON reads it back, with the SHA-256 of all its other keys under CONTENT_DIGEST."""
    stored: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
    return stored | {CONTENT_DIGEST: _compute_digest(stored)}


def check_digest(content: Any, *, name: str) -> None:
    """Raise UserError where the content of the file `name` carries the digest of another content.

    Files of earlier versions carry none, and pass.
    """
    if isinstance(content, dict) and CONTENT_DIGEST in content and content[CONTENT_DIGEST] != _compute_digest(content):
        raise UserError(
            f"{name} was changed after it was written: its {CONTENT_DIGEST} is that of another content.",
            "Restore it, or run the command that wrote it again.",
        )


def without_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content without its digest, as earlier versions stored it."""
    return {key: value for key, value in content.items() if key != CONTENT_DIGEST}


def _compute_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of canonical JSON: keys sorted, CONTENT_DIGEST left out."""
    canonical = json.dumps(without_digest(content), sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
