"""Text from outside as it may be printed and written: nothing in it steers a terminal or fakes a line."""

from __future__ import annotations

import re

# C0 and C1 controls, delete, line and paragraph separators, marks that turn the direction, halves of surrogates.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


_MARKDOWN = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "<": "&lt;", ">": "&gt;", "&": "&amp;", "`": "\\`", "*": "\\*", "[": "\\["}
    | {"\n": " ", "\r": " "}
)


def escape_controls(text: str, *, lines: bool = False) -> str:
    r"""Write control characters as \x1b and the like. lines: keep newlines and tabs, for text of several lines."""
    return (_BUT_LAYOUT if lines else _CONTROLS).sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def escape_markdown(text: str) -> str:
    """Plain text as it stands: no HTML, no table cells, no emphasis, no links of its own, no control characters."""
    return escape_controls(text.translate(_MARKDOWN))
