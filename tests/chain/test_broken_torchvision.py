"""Beside a torchvision that cannot be imported, `doctor` ends in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from woundgen import cli
from woundgen.errors import UserError
from woundgen.runtime import torchvision_fault


def make_broken_torchvision(folder: Path) -> None:
    """As the registry's build beside a CPU torch: importing it raises RuntimeError (operator nms does not exist)."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    (folder / "torchvision-0.28.0.dist-info").mkdir()
    text = "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n"
    (folder / "torchvision-0.28.0.dist-info" / "METADATA").write_text(text)


@pytest.mark.slow
def test_doctor_says_it_in_one_line(tmp_path: Path) -> None:
    make_broken_torchvision(tmp_path)
    path = os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "woundgen", "doctor"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-500:]
    assert "torchvision installed with this torch cannot be imported" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_import_error_of_another_kind_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ImportError("something else")

    monkeypatch.setattr(cli, "build_program", fail)
    monkeypatch.setattr(cli, "find_broken_torchvision", lambda: None)
    with pytest.raises(ImportError, match="something else"):
        cli.run(["doctor"])
    monkeypatch.setattr(cli, "find_broken_torchvision", lambda: UserError("The torchvision is broken."))
    assert cli.run(["doctor"]) == 2


def test_no_torchvision_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_fault.importlib.util, "find_spec", lambda name: None)
    assert torchvision_fault.find_broken_torchvision() is None
