"""Every verb on a run and a set as version 0.1.0 left them: read and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from woundgen.cli import run
from woundgen.storage.content_digest import without_digest
from woundgen.storage.set_rows import journal_path

from .test_older_run import TRAIN, stopped

__all__ = ["stopped"]
DRAW = ["generate", "--adapter", "run", "--count", "8", "--block", "4", "--steps", "1", "--size", "32", "--out", "set"]


def make_older(folder: Path) -> None:
    """Turn a set into one as earlier versions wrote it: all rows public, no counts, no digests, the older name."""
    journal = journal_path(folder)
    journal.replace(folder / "manifest.jsonl")
    shutil.rmtree(journal.parent)
    (folder / "counts.json").unlink()
    for name in ("set.json", ".woundgen.json", "exposure.json"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(without_digest(content)))
    (folder / "exposure.json").rename(folder / "training_groups.json")


@pytest.mark.slow
def test_each_verb_reads_older_folders(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TRAIN) == 0
    assert run(DRAW) == 0
    make_older(Path("set"))
    both = ["--run", "run", "--generated", "set"]
    commands = {
        "train, finished": TRAIN,
        "evaluate": ["evaluate", "--generated", "set", "--real", "photographs", "--phase", "I"],
        "compare": ["compare", "set", "set/metrics.json", "--out", "compared"],
        "audit": ["audit", *both, "--out", "audit"],
        "report": ["report", *both, "--audit", "audit", "--private", "--out", "report"],
        "calibrate": ["calibrate", "--real", "photographs", "--run", "run", "--out", "calibration"],
        "export": ["export", "run", "--format", "kohya", "--out", "exported"],
        "generate, the same": DRAW,
        "generate, more": [*DRAW, "--count", "12"],
        "evaluate, again": ["evaluate", "--generated", "set", "--real", "photographs", "--phase", "I"],
    }
    for name, words in commands.items():
        capsys.readouterr()
        assert run(words) == 0, f"{name}: {capsys.readouterr().err}"
    assert len(list(Path("set", "images").glob("*.png"))) == 12
    assert json.loads(Path("set", "counts.json").read_text())["accepted"] == 12
