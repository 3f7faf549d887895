"""A mistyped command line: exit code 2, a line that says what is wrong, no traceback."""

from __future__ import annotations

import pytest

from woundgen.cli import run


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("nosuch", "nosuch"),
        ("train --bogus 1", "--bogus"),
        ("generate --out x --count many", "--count"),
        ("generate --out x --count 0", "--count"),
        ("report --out x", "--run"),
        ("phantoms --count 3", "--out"),
        ("rebuild", "STAGE"),
    ],
)
def test_mistyped(line: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(line.split())
    told = capsys.readouterr()
    assert code == 2
    assert named.lower() in (told.out + told.err).lower()
    assert "Traceback" not in told.err


def test_no_verb_shows_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    told = capsys.readouterr()
    assert "Usage: woundgen" in told.out + told.err
