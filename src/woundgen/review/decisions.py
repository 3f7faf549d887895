"""Decisions of reviewers on the images of a set: a journal in the set's private folder, and what stands of it.

SET.private/review.jsonl names reviewers and so stays private. A row decides on one image or many; a later row stands
over an earlier one; an undo takes one row back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.names import REVIEW_JSONL, private_folder
from woundgen.storage.schemas import check_row
from woundgen.web.journal import read_journal

ACCEPT, REJECT, UNDECIDED = "accept", "reject", "undecided"
VERDICTS = (ACCEPT, REJECT, UNDECIDED)
REASONS = ("blurred", "no wound", "wrong phase", "artefact", "copy of a photograph", "other")


@dataclass(frozen=True, slots=True)
class Decision:
    """verdict: ACCEPT or REJECT. reason: of REASONS for a rejection, else "". row: of the journal."""

    verdict: str
    reason: str
    reviewer: str
    row: int


def journal_of(set_dir: Path) -> Path:
    return private_folder(set_dir) / REVIEW_JSONL


def standing_decisions(rows: Sequence[Mapping[str, Any]]) -> dict[int, Decision]:
    """image index -> the decision that stands, without those taken back."""
    undone = {row["undo"] for row in rows if "undo" in row}
    standing: dict[int, Decision] = {}
    for number, row in enumerate(rows):
        if "undo" in row or number in undone:
            continue
        for index in row["images"]:
            if row["verdict"] == UNDECIDED:
                standing.pop(index, None)
            else:
                standing[index] = Decision(row["verdict"], row["reason"], row["reviewer"], number)
    return standing


def last_row(rows: Sequence[Mapping[str, Any]], reviewer: str) -> int | None:
    """The number of a reviewer's last row that is not taken back, which an undo takes back."""
    undone = {row["undo"] for row in rows if "undo" in row}
    mine = [n for n, row in enumerate(rows) if "undo" not in row and n not in undone and row["reviewer"] == reviewer]
    return mine[-1] if mine else None


def read_decisions(set_dir: Path) -> dict[int, Decision]:
    """The standing decisions on a set; {} where nobody has reviewed it."""
    rows = read_journal(journal_of(set_dir))
    check_rows(rows, path=journal_of(set_dir))
    return standing_decisions(rows)


def check_rows(rows: Sequence[Mapping[str, Any]], *, path: Path) -> None:
    """UserError that names file and row where a row is neither a decision nor an undo."""
    for number, row in enumerate(rows, start=1):
        name = f"{path}, row {number}"
        check_row(row, file=REVIEW_JSONL, name=name)
        if "undo" in row:
            continue
        images = row.get("images", [])
        are_indices = all(isinstance(index, int) and not isinstance(index, bool) and index >= 0 for index in images)
        reason = row.get("reason")
        is_reason = reason in REASONS if row.get("verdict") == REJECT else reason == ""
        if not images or not are_indices or row.get("verdict") not in VERDICTS or not is_reason:
            raise UserError(f"{name} is no decision.", f"A rejection has a reason: {', '.join(REASONS)}. Restore it.")


def rejections(decisions: Mapping[int, Decision]) -> dict[int, str]:
    """image index -> reason, as a manifest says it."""
    return {i: f"reviewer: {one.reason}" for i, one in decisions.items() if one.verdict == REJECT}


def summarise(decisions: Mapping[int, Decision], images: Iterable[int]) -> str | None:
    """One line for the card, without names; None where nobody has decided. images: indices in the set."""
    if not decisions:
        return None
    known = set(images) | set(decisions)
    reviewers = len({one.reviewer for one in decisions.values()})
    accepted = sum(one.verdict == ACCEPT for one in decisions.values())
    reasons = Counter(one.reason for one in decisions.values() if one.verdict == REJECT)
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return (
        f"{reviewers} reviewer{'s' if reviewers > 1 else ''} decided on {len(decisions)} of {len(known)} images: "
        f"{accepted} accepted, {sum(reasons.values())} rejected{f' ({why})' if why else ''}"
    )
