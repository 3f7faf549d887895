"""The three healing phases and the spellings of them that tables and folders use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from woundgen.errors import UserError
from woundgen.records import PHASES

# Gradings within a phase (I+, P-, P+) belong to the phase itself, as in the clinic's "Healing Phase Abs".
PHASE_VALUES: Mapping[str, str] = MappingProxyType(
    {
        "I": "I",
        "I+": "I",
        "P-": "P",
        "P": "P",
        "P+": "P",
        "R": "R",
        "INFLAMMATORY": "I",
        "PROLIFERATIVE": "P",
        "REMODELING": "R",
        "REMODELLING": "R",
    }
)


def read_phase(value: str, *, values: Mapping[str, str] = PHASE_VALUES) -> str:
    """`value` as one of `PHASES`, letter case and outer blanks aside.

    Raises UserError that names the nearest valid spelling.
    """
    found = values.get(value.strip().upper())
    if found is not None:
        return found
    # One letter is near nothing by edit distance, so a word that begins alike counts too: "Infl.", "Rem".
    upper = value.strip().upper()
    near = difflib.get_close_matches(upper, values, n=1, cutoff=0.5)
    near = near or [word for word in values if upper[:1] == word[:1]][:1]
    hint = f"; the nearest valid one is {near[0]!r}" if near else ""
    raise UserError(f"unknown phase {value!r}{hint} (valid: {', '.join(PHASES)}).")
