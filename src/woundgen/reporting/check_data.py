"""A check of photographs as its page and text show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from woundgen.data.pixels.inspect import Inspection
from woundgen.data.splits.conflicts import Double
from woundgen.records import LeftOut, ManifestRow


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A wound as training would see it. bordered: black is left at an edge. stamped: a date stamp is in it.

    pixels: uint8 [R, R, 3] for those that the page shows. sampled: on the contact sheet, an even sample of its phase.
    """

    row: ManifestRow
    bordered: bool
    stamped: bool
    pixels: NDArray[np.uint8] | None
    sampled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two files that are alike, as thumbnails uint8 [S, S, 3]."""

    double: Double
    first: NDArray[np.uint8]
    second: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """pairs: of the doubles, those that are shown.

    rows: usable, one for each wound. dropped: all others; both add up to total. inspections: by file."""

    source: str
    resolution: int
    rows: tuple[ManifestRow, ...]
    dropped: tuple[LeftOut, ...]
    total: int
    inspections: Mapping[str, Inspection]
    doubles: tuple[Double, ...]
    crops: tuple[Crop, ...]
    pairs: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.rows) + len(self.dropped) == self.total, "every row of the input is in one of the two"

    def errors(self) -> tuple[Double, ...]:
        return tuple(one for one in self.doubles if one.conflicts)

    def summary(self) -> list[str]:
        """A few lines that reconcile to the input."""
        seen = self.inspections.values()
        kinds = Counter(one.likeness for one in self.doubles)
        lines = [
            f"{self.total} rows = {len(self.rows)} usable + {len(self.dropped)} dropped; "
            f"{len(self.inspections)} photographs read",
            f"black padding: {sum(one.padded for one in seen)} photographs; "
            f"left in {sum(crop.bordered for crop in self.crops)} of {len(self.crops)} crops",
            f"date stamps: {sum(one.stamp is not None for one in seen)} photographs; "
            f"left in {sum(crop.stamped for crop in self.crops)} of {len(self.crops)} crops",
            "pairs: " + (", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"),
            f"errors: {len(self.errors())}",
        ]
        return lines
