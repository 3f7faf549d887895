"""Which photographs a set was screened against stands in its private folder alone, and decides whether it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.generation.screening_record import SCREENING_JSON, hold_to_references, older_record


def test_the_digest_is_private_and_the_set_goes_on_with_it(tmp_path: Path) -> None:
    out = tmp_path / "set"
    out.mkdir()
    for _ in range(2):
        hold_to_references(out, "a" * 64)
    assert list(out.iterdir()) == []
    place = tmp_path / "set.private" / SCREENING_JSON
    assert "a" * 64 in place.read_text()
    assert place.stat().st_mode & 0o077 == 0
    assert place.parent.stat().st_mode & 0o077 == 0


def test_other_photographs_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    out = tmp_path / "set"
    out.mkdir()
    hold_to_references(out, "a" * 64)
    with pytest.raises(UserError, match="screened against other photographs"):
        hold_to_references(out, "b" * 64)
    hold_to_references(out, "a" * 64)


def test_a_set_of_an_earlier_version_keeps_its_recipe(tmp_path: Path) -> None:
    assert older_record(tmp_path, "a" * 64) == {}
    for screening, expected in (
        ({"references": "a" * 64}, {"references": "a" * 64}),
        ({"references": "b"}, {}),
        ({}, {}),
    ):
        (tmp_path / "set.json").write_text(json.dumps({"screening": screening}))
        assert older_record(tmp_path, "a" * 64) == expected
