"""Describe a shortfall of accepted images, and advise what to change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from woundgen.generation.sampler import SamplerSettings
from woundgen.storage.names import QUARANTINE, private_folder
from woundgen.storage.outcomes import SURPLUS
from woundgen.storage.set_rows import Tally

HOPELESS = 64
"""Drawn without any accepted, drawing ends: fewer than 5 in 100 would be accepted (95 % confidence)."""
CONFIDENCE = 0.95
STRONG_GUIDANCE, FEW_STEPS = 7.0, 10


def choose_end(budget: int | None) -> Callable[[Tally], bool]:
    """Return whether drawing ends before its budget: never one that the user gave; the usual one without hope."""
    if budget is not None:
        return lambda tally: False
    return lambda tally: tally.accepted == 0 and tally.drawn >= HOPELESS


def describe_shortfall(tally: Tally, count: int, sampler: SamplerSettings, out: Path) -> str:
    """Return sentences: how many were accepted, where they are, why others were not, and what to change.

    count: images asked for. out: folder of the set.
    """
    head = f"{tally.accepted} of {count} images accepted after {tally.drawn} drawn"
    if tally.accepted == 0:
        most = 1 - (1 - CONFIDENCE) ** (1 / tally.drawn)
        head += f" (at most {most:.1%} would be, 95 % confidence)"
    place = f"; what was accepted is in {out}" if tally.accepted else ""
    return f"{head}{place}. {_advise(tally, count, sampler, out)}"


def _advise(tally: Tally, count: int, sampler: SamplerSettings, out: Path) -> str:
    turned_down = tally.drawn - tally.accepted
    if 2 * tally.copies > turned_down and 2 * tally.accepted < tally.drawn:
        return (
            f"{tally.copies} are copies of photographs, which {private_folder(out) / QUARANTINE} shows: train fewer "
            "steps, or on more photographs."
        )
    if tally.accepted and 5 * tally.accepted >= tally.drawn:
        budget = tally.drawn + math.ceil((count - tally.accepted) * tally.drawn / tally.accepted)
        return f"Raise --budget to about {budget} and run the same command to go on."
    if sampler.guidance_scale > STRONG_GUIDANCE:
        return f"--guidance {sampler.guidance_scale:g} draws the prompt rather than the data: try --guidance 1.5 or 2."
    if sampler.steps < FEW_STEPS:
        return f"--steps {sampler.steps} is few: try --steps 25."
    reasons = Counter({name: number for name, number in tally.reasons.items() if name != SURPLUS})
    first = f'The most frequent reason is "{reasons.most_common(1)[0][0]}". ' if reasons else ""
    return (
        f"{first}Try other settings of drawing (woundgen compare --adapter RUN --guidance 1.5 --guidance 3), or train "
        "longer. A larger --budget goes on."
    )
