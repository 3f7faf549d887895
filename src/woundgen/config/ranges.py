"""Numbers that lie within a range, and the check of one: the same for the command line and for Python."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from woundgen.errors import UserError

LARGEST_SEED = 2**63 - 1  # what torch's generators take


def check_whole(option: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise UserError unless `value` is None or a whole number from `low` to `high` (None: without an upper end)."""
    _check(option, value, low, high, is_number=isinstance(value, Integral) and not isinstance(value, bool))


def check_real(option: str, value: Any, low: float, high: float | None = None) -> None:
    """Raise UserError unless `value` is None or a finite number from `low` to `high` (None: without an upper end)."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    _check(option, value, low, high, is_number=is_real and math.isfinite(value))


def check_seed(option: str, value: Any) -> None:
    """Raise UserError unless `value` is None or a whole number that generators of random numbers take."""
    check_whole(option, value, 0, LARGEST_SEED)


def _check(option: str, value: Any, low: float, high: float | None, *, is_number: bool) -> None:
    if value is None or (is_number and value >= low and (high is None or value <= high)):
        return
    what = f"{option} {value} is out of range." if is_number else f"{option} {value!r} is no such number."
    raise UserError(what, f"Give {low:g} or more." if high is None else f"Give {low:g} to {high:g}.")
