"""Requests for splits, read before photographs are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from woundgen.data.splits.shares import Shares

GROUPED, CROSS_FITTING, NO_HOLD_OUT = "grouped", "cross-fitting", "no-hold-out"
WAYS = (GROUPED, CROSS_FITTING, NO_HOLD_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """How photographs are divided.

    shares: of the photographs of each phase, for train, validation and holdout; they sum to 1. way: "grouped",
    "cross-fitting" or "no-hold-out". folds: of cross-fitting; each phase needs as many groups. seed: of the division.
    phases: those to divide, of I, P, R, and to leave the others out; None: all.
    """

    shares: Shares = field(default_factory=Shares)
    way: str = GROUPED
    folds: int = 5
    seed: int = 0
    phases: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a split records and is identified by: shares in 0..1, way, folds, seed, phases if not all."""
        content = asdict(self)
        return content if self.phases is not None else {k: v for k, v in content.items() if k != "phases"}
