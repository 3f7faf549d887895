"""Warn of phases with few photographs, before anything is spent on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FEWEST_REFERENCES = 10  # below, generated images cannot be screened
USUAL = 50


def warn_of_few(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield a sentence for each phase with few photographs to train on. counts: phase -> side -> photographs."""
    for phase, sides in counts.items():
        number = sides["train"]
        if number >= USUAL:
            continue
        screened = "" if number >= FEWEST_REFERENCES else f"; with fewer than {FEWEST_REFERENCES} none can be screened"
        yield (
            f"phase {phase}: {number} photographs to train on, and {USUAL} or more are usual: the adapter will repeat "
            f"them rather than learn from them{screened}"
        )
