"""One `woundgen rebuild` of a stage at a time, and one that renders the pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.runtime.lock import only_writer


@pytest.mark.parametrize("held", [".stages/features", "pool"])
def test_a_second_rebuild_is_refused(held: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    (work / held).mkdir(parents=True)
    with only_writer(work / held):
        assert run(["rebuild", "features", "--phantoms", "400", "--steps", "1", "--work", str(work)]) == 2
    assert "is being written by process" in capsys.readouterr().err
    assert not list(work.rglob("images.u8"))
