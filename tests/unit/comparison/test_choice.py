"""Which candidate a comparison says to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.comparison.candidates import read_candidates
from woundgen.comparison.choice import choose
from woundgen.comparison.compare import compare

from .test_compare import measured


@pytest.mark.parametrize(
    ("values", "word", "says"),
    [
        ({"base": 12.0, "tuned": 6.0}, "Take “tuned”.", "better than “base” in FD (embedded), and worse in nothing"),
        ({"base": 6.0, "tuned": 12.0}, "Keep “base”.", "“tuned” is worse in FD (embedded)"),
        ({"base": 6.0, "tuned": 6.0}, "No difference shown.", "Differences tested: 1"),
        ({"base": 12.0, "a": 6.0, "b": 7.0}, "One of several.", "“a”, “b”"),
    ],
)
def test_choice(values: dict[str, float], word: str, says: str, tmp_path: Path) -> None:
    choice = choose(compare(read_candidates([measured(tmp_path / name, name, fd) for name, fd in values.items()])))
    assert choice.word == word
    assert says in choice.text


def test_nothing_tested(tmp_path: Path) -> None:
    folders = [measured(tmp_path / "a", "a", 6.0), measured(tmp_path / "b", "b", 7.0, n=50)]
    assert choose(compare(read_candidates(folders))).word == "Open."
