from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.reporting.read_run import collect
from woundgen.reporting.write import write_reports
from woundgen.storage.files import write_json

from .stored_results import measured, write_run, write_set


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    return write_set(tmp_path / "phase_I_set")


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that has only begun: no logs, so no charts to draw."""
    folder = tmp_path / "begun"
    folder.mkdir()
    write_json(folder / "run.json", {"name": "new", "phases": ["R"], "config": {}, "status": "running"})
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report without a private part; drawing its charts takes a second or two."""
    folder = tmp_path_factory.mktemp("shared")
    run, generated = write_run(folder / "run"), write_set(folder / "phase_I_set")
    write_reports([collect(run, [generated], [measured()])], out=folder / "out", title="Report", identity="0")
    return folder / "out"
