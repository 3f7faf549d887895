"""The claims of a utility study on phantoms whose truth is known. Minutes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from woundgen.downstream.conclusion import HARMS, HELPS

from ...phantom_utility import KINDS, pool, study


@pytest.mark.slow
def test_the_verdict_says_what_is_true(tmp_path: Path) -> None:
    rendered = pool(tmp_path)
    words = {
        kind: Counter(study(rendered, number=number, kind=kind, seeds=5).verdict.word for number in range(20))
        for kind in KINDS
    }
    assert words["fresh"][HELPS] >= 16
    assert words["copies"][HELPS] <= 2
    assert words["swapped"][HARMS] >= 14
    assert words["swapped"][HELPS] == 0
    assert words["null"][HELPS] <= 2
