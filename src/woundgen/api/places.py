"""Places as users name them: a path as text, a Path, or a result that lies in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

Place = str | os.PathLike[str]
"""A path. Results are places, too: each stands for its folder."""

Adapters = Place | Sequence[Place | tuple[Place, float]] | None
"""A run, checkpoint or adapter file; several, each alone or with its strength; or None: the base model alone."""


def as_path(place: Place | None) -> Path | None:
    """Return a place as a Path; None stays None."""
    return None if place is None else Path(place)


def as_paths(places: Place | Sequence[Place]) -> tuple[Path, ...]:
    """Return places as Paths."""
    if isinstance(places, str | os.PathLike):
        return (Path(places),)
    return tuple(map(Path, places))


def as_adapters(adapter: Adapters) -> tuple[tuple[Path, float], ...]:
    """Return adapters with their strengths, 1 where none is given."""
    if adapter is None:
        return ()
    if isinstance(adapter, str | os.PathLike):
        return ((Path(adapter), 1.0),)
    pairs = (item if isinstance(item, tuple) else (item, 1.0) for item in adapter)
    return tuple((Path(place), float(strength)) for place, strength in pairs)
