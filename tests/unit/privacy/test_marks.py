from __future__ import annotations

from pathlib import Path

from woundgen.privacy.marks import fingerprint, marks_of, new_key
from woundgen.records import Photo


def test_marks_name_nobody_and_meet_by_group_or_by_content(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"two"), ("c", b"one")):
        (tmp_path / name).write_bytes(content)
    photos = [Photo(str(tmp_path / name), "I", group) for name, group in (("a", "p1"), ("b", "p1"), ("c", "p2"))]
    photos += [Photo(str(tmp_path / "b"), "R", None)]
    key = new_key()
    a, b, c, d = (set(one) for one in marks_of(photos, key=key, roots=[tmp_path]))
    assert a & b  # one patient
    assert a & c  # one photograph under another name
    assert b & d
    assert not b & c
    assert not any("p1" in mark for mark in a | b)
    assert not a & set(marks_of(photos, key=new_key(), roots=[tmp_path])[0])  # another key, other marks
    assert key not in fingerprint(key)
