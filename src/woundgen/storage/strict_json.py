"""JSON in which no key stands twice and no number is NaN or infinite."""

from __future__ import annotations

import json
from typing import Any


def parse_strictly(text: str | bytes) -> Any:
    """Parse JSON; ValueError where it is none, a key is given twice, or a number is NaN or infinite."""
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; ValueError where a key is given twice, of which a reader would take the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r:.60} is given twice")
    return made
