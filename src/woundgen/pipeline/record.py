"""The record of a study: which stages are done, of which inputs, and what each reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.runtime.console import Console
from woundgen.storage.files import read_json, sha256_json, stored_values, write_json
from woundgen.storage.names import STAGES_JSON
from woundgen.storage.ownership import claim_output

VERSION = 1
Finding = dict[str, Any]
"""JSON values by name; `sentence` is for people."""


@dataclass(frozen=True, slots=True)
class StagedStudy:
    """A study's folder. Stages are recorded in stages.json, each when it is complete."""

    folder: Path
    console: Console

    @property
    def path(self) -> Path:
        return self.folder / STAGES_JSON

    def stage(self, name: str, *, inputs: Any, outputs: Sequence[Path], work: Callable[[], Finding]) -> Finding:
        """Do a stage, or return what it reported where it is done already.

        inputs: JSON values that decide the result; a stage is done where they are those of the record and all outputs
        are there. A stage that was cut short is not in the record: its job goes on where it was.
        """
        digest = sha256_json(inputs)
        stages = self._read()["stages"]
        done = stages.get(name)
        if done is not None and done["inputs"] == digest and all(path.exists() for path in outputs):
            self.console.info(f"{name}: done")
            finding: Finding = done["finding"]
            return finding
        self.console.info(f"{name}: {'its inputs have changed, again' if done else 'begins'}")
        started = time.monotonic()
        finding = work()
        content = self._read()
        seconds = round(time.monotonic() - started, 1)
        content["stages"][name] = {"inputs": digest, "seconds": seconds, "finding": finding}
        write_json(self.path, content)
        return finding

    def seconds(self) -> dict[str, float]:
        """Return the seconds that each stage took in its last session."""
        return {name: stage["seconds"] for name, stage in self._read()["stages"].items()}

    def _read(self) -> dict[str, Any]:
        """Read the record; UserError where a stage in it is not as `stage` writes it."""
        content: dict[str, Any] = read_json(self.path)
        with stored_values(self.path):
            for stage in content["stages"].values():
                str(stage["inputs"]), float(stage["seconds"]), stage["finding"]
        return content


def claim_study(folder: Path, *, given: Mapping[str, Any]) -> None:
    """Take the folder for a study, or go on with the study that it holds.

    given: what decides the study, JSON values by name. UserError that names what differs where the folder holds a
    study of other photographs or settings, and where it holds something else.
    """
    claim_output(folder, identity="study", what="study")
    path = folder / STAGES_JSON
    if not path.exists():
        write_json(path, {"version": VERSION, "given": dict(given), "stages": {}})
        return
    before = recorded_settings(folder)
    assert before is not None
    differing = [name for name in given if before.get(name) != given[name]]
    if differing:
        raise UserError(
            f"{folder} holds a study with other {', '.join(differing)}.",
            "Choose another --out, or give the photographs and settings of that study. Nothing was changed.",
        )


def recorded_settings(folder: Path) -> dict[str, Any] | None:
    """Return what the study in `folder` was begun with; None where there is none."""
    path = folder / STAGES_JSON
    if not path.exists():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{path} is of another version of woundgen.", "Use that version, or choose another --out.")
    given: dict[str, Any] = content["given"]
    return given
