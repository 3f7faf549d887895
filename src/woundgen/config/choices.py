"""Values that are chosen among a few, and the check of a value."""

from __future__ import annotations

from typing import Literal

from woundgen.errors import UserError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Side = Literal["validation", "holdout"]


def check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise UserError where `value` is none of `allowed`, naming them."""
    if value not in allowed:
        raise UserError(f"{option} {value!r} is unknown.", f"Use {' | '.join(allowed)}.")
