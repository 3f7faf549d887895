"""Stages are skipped where their inputs are those of the record, and done again where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.pipeline.record import StagedStudy, claim_study
from woundgen.runtime.console import silent_console

GIVEN = {"photographs": "abc", "count": 20}


def begin(folder: Path) -> StagedStudy:
    claim_study(folder, given=GIVEN)
    return StagedStudy(folder, silent_console())


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    study = begin(tmp_path / "study")
    calls = []
    output = tmp_path / "study" / "file"

    def work() -> dict:
        calls.append(1)
        output.write_text("x")
        return {"sentence": f"call {len(calls)}"}

    def stage(inputs: int) -> str:
        return study.stage("train", inputs=[inputs], outputs=[output], work=work)["sentence"]

    assert [stage(1), stage(1)] == ["call 1", "call 1"]
    assert stage(2) == "call 2", "other inputs"
    output.unlink()
    assert stage(2) == "call 3", "its output is gone"
    assert set(study.seconds()) == {"train"}


def test_a_stage_that_was_cut_short_is_not_recorded(tmp_path: Path) -> None:
    study = begin(tmp_path / "study")

    def stopped() -> dict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.stage("train", inputs=[], outputs=[], work=stopped)
    assert study.stage("train", inputs=[], outputs=[], work=lambda: {"sentence": "done"})["sentence"] == "done"


def test_another_study_is_refused_by_what_differs(tmp_path: Path) -> None:
    claim_study(tmp_path / "study", given=GIVEN)
    claim_study(tmp_path / "study", given=GIVEN)
    with pytest.raises(UserError, match="a study with other count"):
        claim_study(tmp_path / "study", given={**GIVEN, "count": 30})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        claim_study(tmp_path / "other", given=GIVEN)
