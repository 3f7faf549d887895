"""The digest that a JSON file carries of its own content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.storage.content_digest import CONTENT_DIGEST, add_digest
from woundgen.storage.files import read_json, write_json

CONTENT = {"b": [1.5, None, {"x": 1e-300}], "a": "é", "n": (3, 4)}


def test_the_digest_is_that_of_canonical_json() -> None:
    text = '{"a": "\\u00e9", "b": [1.5, null, {"x": 1e-300}], "n": [3, 4]}'
    assert add_digest(CONTENT)[CONTENT_DIGEST] == hashlib.sha256(text.encode()).hexdigest()
    assert add_digest({10: 1, 9: 2})[CONTENT_DIGEST] == add_digest({"9": 2, "10": 1})[CONTENT_DIGEST]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", add_digest(CONTENT))
    assert read_json(tmp_path / "a.json") == add_digest(CONTENT)
    write_json(tmp_path / "a.json", read_json(tmp_path / "a.json") | {"a": "else"})
    assert read_json(tmp_path / "a.json")["a"] == "else"


@pytest.mark.parametrize(
    "change", [{"a": "e"}, {"b": [1.5000000000000002, None, {"x": 1e-300}]}, {"new": 0}, {CONTENT_DIGEST: None}]
)
def test_a_changed_file_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(add_digest(CONTENT) | change))
    with pytest.raises(UserError, match=r"a\.json was changed after it was written"):
        read_json(path)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}))
    assert read_json(tmp_path / "a.json") == {"a": 1}
