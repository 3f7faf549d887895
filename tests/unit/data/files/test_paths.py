"""Names of tables never lead out of their folder, whatever is written there."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from woundgen.data.files.images import read_file
from woundgen.data.files.paths import find_below, relative_name, resolve_inside
from woundgen.data.files.reader import Reader
from woundgen.errors import UserError

PIECES = ("..", ".", "", "I", "in.png", "out", "out.png", "secret.png", "C:", "c:", "\\", "..\\", "\\\\host", "con",
          "~", "%2e%2e", "\0", "a\0b", "/", "//", "\u2025", "\uff0e\uff0e", " ", "..  ", "loop")  # fmt: skip
names = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map("/".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map("\\".join),
    st.tuples(st.sampled_from(["", "/", "//", "C:", "C:\\", "\\\\?\\", "file:///"]), st.text(max_size=20)).map("".join),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """data/ with links that lead out of it and back; a secret beside it; run from inside it."""
    top = tmp_path_factory.mktemp("tree")
    (top / "data" / "I").mkdir(parents=True)
    (top / "secret.png").write_text("secret")
    (top / "other").mkdir()
    (top / "other" / "secret.png").write_text("secret")
    for place in (top / "data", top / "data" / "I"):
        (place / "in.png").write_text("in")
        (place / "out.png").symlink_to(top / "secret.png")
        (place / "out").symlink_to(top / "other")
        (place / "loop").symlink_to(place / "loop")
    before = Path.cwd()
    os.chdir(top / "data")
    yield top
    os.chdir(before)


@given(names)
@settings(max_examples=400, deadline=None)
def test_a_name_stays_inside_or_is_refused(tree: Path, name: str) -> None:
    root = tree / "data"
    try:
        file = resolve_inside(root / relative_name(name), roots=[root])
    except UserError:
        return
    assert file.read_text() == "in"
    assert file.is_relative_to(root.resolve())


@given(names)
@settings(max_examples=200, deadline=None)
def test_a_path_as_given_stays_inside_or_is_refused(tree: Path, name: str) -> None:
    """Without the check of names: what is resolved is compared, so .. and absolute paths are no way out either."""
    root = tree / "data"
    try:
        file = resolve_inside(root / name, roots=[root])
    except UserError:
        return
    assert file.read_text() == "in"


@given(names)
@settings(max_examples=200, deadline=None)
def test_a_reader_gives_what_stays_inside_or_refuses(tree: Path, name: str) -> None:
    """Just as `read_file` does: the folder is opened once, and the file in it without following a link."""
    root = tree / "data"
    with Reader([root]) as reader:
        for _ in range(2):
            try:
                given = reader.read(f"{root}/{name}")
            except UserError:
                with pytest.raises(UserError):
                    read_file(Path(f"{root}/{name}"), roots=[root])
                continue
            assert given == read_file(Path(f"{root}/{name}"), roots=[root]) == b"in"


def test_a_reader_waits_for_no_pipe_and_is_not_led_away(tmp_path: Path) -> None:
    folder, out = tmp_path / "photographs", tmp_path / "elsewhere"
    for place, text in ((folder, "in"), (out, "secret")):
        place.mkdir()
        (place / "a.png").write_text(text)
    os.mkfifo(folder / "pipe.png")
    (folder / "same.png").symlink_to(folder / "a.png")
    with Reader([folder]) as reader:
        with pytest.raises(UserError, match="is not a file"):
            reader.read(str(folder / "pipe.png"))
        assert reader.read(str(folder / "same.png")) == b"in"  # a link that stays inside, by the longer way
        folder.rename(tmp_path / "moved")
        folder.symlink_to(out)
        assert reader.read(str(folder / "a.png")) == b"in"  # of the folder that was looked at


@pytest.mark.parametrize(
    "name", ["../secret.png", "out.png", "out/secret.png", "I/../../secret.png", "loop", "a\0.png"]
)
def test_each_way_out_is_refused(tree: Path, name: str) -> None:
    with pytest.raises(UserError):
        resolve_inside(tree / "data" / name, roots=[tree / "data"])


def test_a_name_is_found_by_another_spelling_where_one_file_has_it(tmp_path: Path) -> None:
    """Tables written on Windows or macOS: case and accents as they were typed there, of folders too."""
    (tmp_path / "Besuch").mkdir()
    decomposed = unicodedata.normalize("NFD", "Fuß_ä.JPG")
    for name in (decomposed, "a.png", "A.png"):
        (tmp_path / "Besuch" / name).write_text("x")
    composed = relative_name(unicodedata.normalize("NFC", "besuch/fuß_ä.jpg"))
    assert find_below(tmp_path, composed) == tmp_path / "Besuch" / decomposed
    assert find_below(tmp_path, relative_name("Besuch/A.png")).name == "A.png"
    assert find_below(tmp_path, relative_name("Besuch/a.PNG")).name == "a.PNG", "two have it: none is taken"
    assert find_below(tmp_path, relative_name("Besuch/" + "x" * 300)) == tmp_path / "Besuch" / ("x" * 300)
    (tmp_path / "Besuch" / "late.png").write_text("x")
    assert find_below(tmp_path, relative_name("Besuch/LATE.png")).name == "late.png"
