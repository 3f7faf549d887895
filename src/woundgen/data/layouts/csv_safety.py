"""Cells of the tables we write: text from outside must not become a spreadsheet's formula."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")  # OWASP, "CSV Injection"; ' so that reading undoes writing


def neutral(text: str) -> str:
    """`text` with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def original(cell: str) -> str:
    """Return the cell that `neutral` was given."""
    return cell[1:] if cell.startswith("'") else cell
