"""Syntax trees of files, parsed once for all tests of this folder, which leave them as they are."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parse(path: Path) -> ast.Module:
    """Parse a file of Python."""
    return ast.parse(path.read_text(), filename=str(path))
