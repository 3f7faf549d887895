"""Shares of a split."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the photographs of each phase; they sum to 1. holdout 0: nothing is sealed."""

    train: float = 0.7
    validation: float = 0.15
    holdout: float = 0.15

    def wanted(self) -> tuple[float, ...]:
        """Return the shares of the sides that get photographs."""
        return (self.train, self.validation, *([self.holdout] if self.holdout else []))
