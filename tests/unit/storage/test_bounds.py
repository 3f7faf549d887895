"""What is read is bounded, and what is wrong with it is one line that names the file and the key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from woundgen.config import load
from woundgen.config.load import load_train_config, parse_override
from woundgen.errors import UserError
from woundgen.storage.bounded_yaml import parse_yaml, read_yaml
from woundgen.storage.display import escape_controls, escape_markdown
from woundgen.storage.files import disk_error, read_json, read_jsonl, sweep_unfinished, write_bytes, write_json
from woundgen.storage.schemas import OBJECTS

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is given twice"),
        (BOMB, "aliases"),
        ("[" * 5000, "nested deeper"),
        (f"a: {'9' * 5001}", "digits"),
        ("a: 2001-99-99", "month"),
        ("x" * (2 << 20), "larger than 256 KB"),
    ],
)
def test_yaml_is_bounded(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_yaml(text, name="config.yaml")
    assert len(str(caught.value)) < 400


def test_yaml_keeps_what_people_write() -> None:
    assert parse_yaml("base: &b {x: 1}\nmine:\n  <<: *b\n  y: 2\n", name="f") == {
        "base": {"x": 1},
        "mine": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize(
    "setting", ["max_steps=true", "seed=false", "learning_rate=true", "seed=\uff11\uff12", "seed=\u0661\u0662"]
)
def test_look_alikes_of_numbers_are_refused(setting: str) -> None:
    with pytest.raises(UserError, match=r"seed|max_steps|learning_rate|digits other than"):
        load_train_config(None, [setting])


def test_switches_stay_switches() -> None:
    assert load_train_config(None, ["use_xformers=false", "mixed_precision=no"]).flat()["use_xformers"] is False


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a": ' * 200 + b"1" + b"}" * 200, b'{"a": NaN}', b'{"a": ' + b"9" * 5001 + b"}", b"\xff", b"{"],
)
def test_json_is_bounded(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "some.json").write_bytes(content)
    with pytest.raises(UserError, match=r"some\.json is not readable JSON") as caught:
        read_json(tmp_path / "some.json")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_key_that_is_missing_or_of_another_type_is_named(name: str, tmp_path: Path) -> None:
    for dotted in OBJECTS[name]:
        parts = dotted.replace("?", "").split(".")
        content: dict[str, object] = {}
        inner = content
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})  # type: ignore[assignment]
        kinds = OBJECTS[name][dotted]
        takes_objects = dict in (kinds if isinstance(kinds, tuple) else (kinds,))
        inner[parts[-1]] = 5 if takes_objects else {"a": 1}
        for other, kind in OBJECTS[name].items():
            if "?" not in other and other != dotted:
                first = kind[0] if isinstance(kind, tuple) else kind
                content[other] = {str: "x", int: 1, list: [], dict: {}}[first]
        (tmp_path / name).write_text(json.dumps(content))
        with pytest.raises(UserError, match=f"{parts[-1]} is not "):
            read_json(tmp_path / name)
    (tmp_path / name).write_text("[]")
    with pytest.raises(UserError, match="not an object"):
        read_json(tmp_path / name)


def test_a_row_of_another_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"step": 1}\n{"step": "two"}\n')
    with pytest.raises(UserError, match=r"row 2: step is not a whole number but text"):
        list(read_jsonl(tmp_path / "train.jsonl"))


def test_control_characters_are_written_out() -> None:
    assert escape_controls("a\x1b[2J\n\u202eb\udce9") == "a\\x1b[2J\\x0a\\u202eb\\xe9"
    assert escape_controls("a\nb\x07", lines=True) == "a\nb\\x07"
    assert escape_markdown("<b>|\n") == "&lt;b&gt;\\| "


def test_a_full_disk_is_a_users_error_and_a_mistake_is_not() -> None:
    found = disk_error(OSError(28, "No space left on device", "/out/a"))
    assert found is not None
    assert "/out/a could not be written (No space left on device)" in str(found)
    assert "x" * 300 not in str(disk_error(OSError(36, "File name too long", "x" * 300)))
    assert disk_error(OSError(9, "Bad file descriptor")) is None


def test_leftovers_of_dead_processes_are_swept(tmp_path: Path) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    for name in (f".a.json.{dead}.tmp", f".b.json.{os.getppid()}.tmp", ".note.tmp", "mine.tmp"):
        (tmp_path / name).write_text("half")
    sweep_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".b.json.{os.getppid()}.tmp", ".note.tmp", "mine.tmp"]


def test_private_files_are_private_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(tmp_path / "key", b"secret", private=True)
    assert modes[0] == 0o600
    write_bytes(tmp_path / "key", b"changed")  # a later writer that does not say so
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_names_that_are_not_utf_8_can_be_recorded(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"photograph": "caf\udce9.png"})
    assert read_json(tmp_path / "a.json") == {"photograph": "caf\udce9.png"}


def test_overrides_in_messages_are_short() -> None:
    with pytest.raises(UserError) as caught:
        parse_override("seed=[" + "x, " * 100_000)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
def test_a_pipe_that_nobody_writes_into_is_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="a pipe or a device"):
        read_yaml(tmp_path / name) if name.endswith("yaml") else read_json(tmp_path / name)


def test_few_of_thousands_of_unknown_settings_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison with all names takes a millisecond."""
    compared = []
    monkeypatch.setattr(load.difflib, "get_close_matches", lambda key, *names, **options: compared.append(key) or [])
    file = tmp_path / "config.yaml"
    file.write_text("".join(f"k{number}: 1\n" for number in range(2000)))
    with pytest.raises(UserError, match="unknown key 'k0'"):
        load_train_config(file)
    assert len(compared) == load.MOST_FAULTS


def test_a_key_of_json_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"drawn": 1, "drawn": 2}')
    with pytest.raises(UserError, match="'drawn' is given twice"):
        read_json(tmp_path / "a.json")
