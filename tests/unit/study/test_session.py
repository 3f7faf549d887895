"""A reader's progress follows from the journal alone, and a journal that is another's is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from woundgen.errors import UserError
from woundgen.study.session import KNOWN, SAVED, STALE, Answer, Session, read_answers, standing_answers

ORDER = ("a1", "b2", "c3")
ANSWER = Answer("real", 3, "I", 4, "", 1.5)


def row(position: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "position": position, "item": ORDER[position], "nonce": "n" * 16, "call": "real", "confidence": 3,
        "phase": "I", "plausibility": 4, "remark": "", "seconds": 1.0,
    }  # fmt: skip
    return usual | changes


def test_answers_are_taken_in_order_and_once(tmp_path: Path) -> None:
    session = Session(tmp_path / "r.jsonl", ORDER)
    assert session.answer(1, "x" * 16, ANSWER) == STALE
    assert [session.answer(0, "x" * 16, ANSWER) for _ in range(2)] == [SAVED, KNOWN]
    assert session.answer(0, "y" * 16, ANSWER) == STALE
    assert [session.item(n) for n in (-1, 0, 1, 2, 3)] == [None, "a1", "b2", "c3", None]
    for position in (1, 2):
        session.answer(position, f"{position}" * 16, ANSWER)
    assert session.answer(3, "z" * 16, ANSWER) == STALE
    session.close()
    assert Session(tmp_path / "r.jsonl", ORDER).done == 3


def test_only_the_last_answer_is_taken_back(tmp_path: Path) -> None:
    session = Session(tmp_path / "r.jsonl", ORDER)
    for position in (0, 1):
        session.answer(position, f"{position}" * 16, ANSWER)
    assert session.undo(0) == STALE
    assert [session.undo(1) for _ in range(2)] == [SAVED, KNOWN]
    assert session.done == 1


def test_rows_that_stand() -> None:
    rows = [row(0), row(1), {"undo": 0}, {"undo": 1}, row(1, call="synthetic"), row(1)]
    assert [(one["position"], one["call"]) for one in standing_answers(rows)] == [(0, "real"), (1, "synthetic")]


@pytest.mark.parametrize(
    "broken",
    [
        {"position": 0},
        row(0, item="c3"),
        row(0) | {"position": 7},
        row(0) | {"position": "0"},
        row(0, call="perhaps"),
        row(0, confidence=9),
        row(0, confidence=True),
        row(0, seconds="long"),
        row(0, nonce=None),
        {"undo": "0"},
    ],
)
def test_a_journal_of_another_study_is_named(tmp_path: Path, broken: dict[str, Any]) -> None:
    path = tmp_path / "reader-1.jsonl"
    path.write_text(json.dumps(broken) + "\n")
    for opened in (Session, read_answers):
        with pytest.raises(UserError, match=r"reader-1\.jsonl, row 1"):
            opened(path, ORDER)
