"""One sentence: could readers tell, could they not, or does the study not say?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def conclude(record: Mapping[str, Any]) -> str:
    """From the pooled accuracy, its interval and the test of equivalence."""
    accuracy, design = record["pooled"]["accuracy"], record["design"]
    margin, claimed = record["margin"], record["equivalence"]["claimed"]
    number = f"accuracy {accuracy['value']:.0%} (95 % interval {accuracy['low']:.0%} to {accuracy['high']:.0%})"
    shown = f"{design['photographs']} photographs and {design['synthetic']} synthetic images"
    many = design["readers"] > 1
    who = f"{design['readers']} readers" if many else "One reader"
    could, it = ("could", "they were") if many else ("could", "the reader was")
    if claimed and accuracy["low"] > 0.5:
        word = f"{who} told a little, but within +-{margin:.0%} of chance"
    elif claimed:
        word = f"{who} {could} not tell, within +-{margin:.0%} of chance"
    elif accuracy["low"] > 0.5:
        word = f"{who} {could} tell synthetic images from photographs"
    elif accuracy["high"] < 0.5:
        word = f"{who} took synthetic images for photographs oftener than chance: {it} misled"
    else:
        word = (
            f"This study does not say whether {who.lower()} can tell: neither a difference from chance is shown nor "
            f"that there is none beyond +-{margin:.0%}"
        )
    alone = "" if many else " One reader says nothing of other readers."
    return f"{word}: {number}, {shown}.{alone}"
