"""The sentence on top follows from interval and equivalence, in every case of the two."""

from __future__ import annotations

from typing import Any

import pytest

from woundgen.study.sentence import conclude


def record(low: float, high: float, claimed: bool, readers: int = 3) -> dict[str, Any]:
    return {
        "pooled": {"accuracy": {"value": (low + high) / 2, "low": low, "high": high}},
        "design": {"readers": readers, "photographs": 30, "synthetic": 31},
        "margin": 0.1,
        "equivalence": {"claimed": claimed},
    }


@pytest.mark.parametrize(
    ("low", "high", "claimed", "words"),
    [
        (0.60, 0.80, False, "3 readers could tell synthetic images from photographs"),
        (0.20, 0.40, False, "3 readers took synthetic images for photographs oftener than chance: they were misled"),
        (0.45, 0.55, True, "3 readers could not tell, within +-10% of chance"),
        (0.51, 0.57, True, "3 readers told a little, but within +-10% of chance"),
        (0.40, 0.70, False, "This study does not say whether 3 readers can tell"),
    ],
)
def test_each_case_has_its_words(low: float, high: float, claimed: bool, words: str) -> None:
    said = conclude(record(low, high, claimed))
    assert said.startswith(words)
    assert f"(95 % interval {low:.0%} to {high:.0%}), 30 photographs and 31 synthetic images" in said


def test_no_difference_shown_is_never_called_unable() -> None:
    """The mistake that the two one-sided tests exist to prevent."""
    assert "could not tell" not in conclude(record(0.3, 0.7, claimed=False))


def test_one_reader_speaks_for_no_other() -> None:
    assert conclude(record(0.6, 0.8, False, readers=1)).endswith("One reader says nothing of other readers.")
