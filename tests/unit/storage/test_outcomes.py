"""What became of images: kinds are stored beside reasons, and files of version 0.1.0, which lack them, are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from woundgen.storage.outcomes import Outcome, old_kind, outcome_of_row, outcome_of_verdict
from woundgen.storage.set_rows import Tally, public_row, read_tally, tally_rows
from woundgen.verdicts import RejectionKind, Verdict

OLD_ROWS = [
    {"accepted": True, "reason": ""},
    {"accepted": False, "reason": "copy by matched places (41 > 12)"},
    {"accepted": False, "reason": "copy by matched places (30 > 12)"},
    {"accepted": False, "reason": "a* spread too low (0.1 < 0.3)"},
    {"accepted": False, "reason": "surplus"},
]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("", None),
        ("copy by matched places (41 > 12)", RejectionKind.COPY),
        ("a* spread too low (0.1 < 0.3)", RejectionKind.RULE),
        ("reviewer: blurred", RejectionKind.REVIEWER),
        ("surplus", RejectionKind.SURPLUS),
    ],
)
def test_rows_of_the_first_version(reason: str, kind: RejectionKind | None) -> None:
    assert old_kind(reason) is kind
    assert outcome_of_row({"accepted": not reason, "reason": reason}).kind is kind


def test_the_kind_counts_and_not_the_words() -> None:
    row = {"accepted": False, "reason": "no copy at all (1 > 0)", "kind": "rule", "category": "no copy at all"}
    assert outcome_of_row(row) == Outcome(False, "no copy at all", RejectionKind.RULE)
    assert tally_rows([row]).copies == 0
    assert tally_rows([row | {"kind": "copy"}]).copies == 1


def test_a_verdict_and_its_row_agree() -> None:
    verdict = Verdict(False, "SSIM too low (0 < 1)", kind=RejectionKind.RULE, category="SSIM too low")
    row = json.loads(json.dumps({"accepted": False, "reason": verdict.reason, "kind": verdict.kind,
                                 "category": verdict.category}))  # fmt: skip
    assert outcome_of_row(row) == outcome_of_verdict(verdict)


def test_old_counts_are_read(tmp_path: Path) -> None:
    expected = Tally(5, 1, {"a* spread too low": 1, "copy by matched places": 2, "surplus": 1}, copies=2)
    assert tally_rows(OLD_ROWS) == expected
    counts = {"drawn": 5, "accepted": 1, "not_kept": expected.reasons}
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    assert read_tally(tmp_path) == expected
    (tmp_path / "counts.json").write_text(json.dumps(expected.to_json()))
    assert read_tally(tmp_path) == expected


def test_an_accepted_row_shows_no_kind() -> None:
    row = {"accepted": True, "reason": "", "kind": None, "category": "", "scores": {"sharpness": 1.0, "ssim_max": 0.9}}
    assert public_row(row) == {"accepted": True, "reason": "", "scores": {"sharpness": 1.0}}
