"""Numbers as text, with the minus sign of typography (U+2212) in place of the hyphen."""

from __future__ import annotations

import math

MINUS = "−"


def write_number(x: float, *, like: float | None = None) -> str:
    """Return three significant digits, or as many decimals as `like` has so: 12.3, 0.0410, 1234."""
    return f"{x:{choose_form(x if like is None else like)}}".replace("-", MINUS)


def write_compact(x: float) -> str:
    """Return at most four significant digits, without zeros at the end: 593.7, −0.03044, 1e-05."""
    text = f"{x:.4g}"
    return MINUS + text[1:] if text.startswith("-") else text


def choose_form(like: float) -> str:
    """Return the format that gives a number as large as `like` three significant digits: .1f, .4f, .0f."""
    return f".{0 if like == 0 else max(0, 2 - math.floor(math.log10(abs(like))))}f"


def write_signed(x: float, form: str) -> str:
    """Return a difference with its sign; 0 has none. form: as Python's, such as .3f; exponents keep their hyphen."""
    text = f"{x:+{form}}" if x else f"{0:{form}}"
    return MINUS + text[1:] if text.startswith("-") else text


def write_interval(low: float, high: float, form: str) -> str:
    """Return both ends of an interval of a difference, signed."""
    return f"{write_signed(low, form)} to {write_signed(high, form)}"
