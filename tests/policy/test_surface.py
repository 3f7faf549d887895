"""The verbs and options are frozen: what users type and write into scripts does not change unnoticed.

A change that is meant: `python tests/golden/make_surface.py`, and say so in the commit.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"


def test_surface_is_as_frozen() -> None:
    surface = runpy.run_path(str(GOLDEN / "make_surface.py"))["surface"]()
    assert surface == json.loads((GOLDEN / "surface.json").read_text())
