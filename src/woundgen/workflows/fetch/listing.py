"""Base models and feature networks that can be fetched, and the result of `woundgen fetch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Fetchable:
    """A base model or feature network. kind: "base" or "features". fetched: whether it is here."""

    name: str
    kind: str
    megabytes: int
    fetched: bool
    licence: str

    def line(self) -> str:
        """Return a row of the list."""
        state = "fetched" if self.fetched else "absent"
        return f"{self.name:13} {self.megabytes:5} MB  {state:8} {self.licence}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """folders: name -> where it lies, of what was asked for. available: the list, where nothing was asked for."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    available: tuple[Fetchable, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return folders by name and the list."""
        return {
            "folders": {name: str(folder) for name, folder in self.folders.items()},
            "available": [asdict(entry) for entry in self.available],
        }
