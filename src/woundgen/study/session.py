"""A reader's progress through a study: what comes next, and which answers count.

The state follows from the journal alone. An answer names the position it is for and a mark of its own (`nonce`): the
same one again is taken as known, another one for a position that has an answer is refused. So a repeated request, two
tabs and a reload count nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.schemas import ANSWER_ROW, check_row
from woundgen.study.design import REAL, SYNTHETIC
from woundgen.web.journal import Journal, read_journal

SAVED, KNOWN, STALE = "saved", "known", "stale"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reader's answer to a showing of a picture.

    call: real or synthetic. confidence, plausibility: 1..5. phase: one of the study's, or unsure. seconds: looked at.
    """

    call: str
    confidence: int
    phase: str
    plausibility: int
    remark: str
    seconds: float


class Session:
    """One reader's journal, open for appending. Safe to call from several threads."""

    def __init__(self, path: Path, order: Sequence[str]) -> None:
        self.order = tuple(order)
        read_answers(path, self.order)  # an error before the file is opened for writing
        self._journal = Journal(path)
        self._lock = threading.Lock()
        self._answers = standing_answers(self._journal.rows)

    @property
    def done(self) -> int:
        """Answers that stand; the position that is to be answered next."""
        return len(self._answers)

    @property
    def total(self) -> int:
        return len(self.order)

    def item(self, position: int) -> str | None:
        """The id of the picture at a position, where the reader may see it: up to the next but one."""
        return self.order[position] if 0 <= position < min(self.done + 2, self.total) else None

    def last(self) -> dict[str, Any] | None:
        """The last answer that stands, which an undo takes back."""
        return self._answers[-1] if self._answers else None

    def answer(self, position: int, nonce: str, answer: Answer) -> str:
        """Append an answer and wait until it is on disk. Returns SAVED, KNOWN or STALE (nothing is written)."""
        with self._lock:
            if position < self.done and self._answers[position]["nonce"] == nonce:
                return KNOWN
            if position != self.done or position >= self.total:
                return STALE
            row = {
                "position": position, "item": self.order[position], "nonce": nonce, "call": answer.call,
                "confidence": answer.confidence, "phase": answer.phase, "plausibility": answer.plausibility,
                "remark": answer.remark, "seconds": answer.seconds, "at": _now(),
            }  # fmt: skip
            self._journal.append(row)
            self._answers.append(row)
            return SAVED

    def undo(self, position: int) -> str:
        """Take the answer at `position` back, if it is the last one. KNOWN where it is taken back already."""
        with self._lock:
            if position == self.done:
                return KNOWN
            if position != self.done - 1:
                return STALE
            self._journal.append({"undo": position, "at": _now()})
            self._answers.pop()
            return SAVED

    def close(self) -> None:
        self._journal.close()


ANSWER_KEYS = frozenset(
    ("position", "item", "nonce", "call", "confidence", "phase", "plausibility", "remark", "seconds")
)


def read_answers(path: Path, order: Sequence[str]) -> list[dict[str, Any]]:
    """The standing answers of a reader's journal, which a server may be writing. UserError for a row that is none."""
    rows = read_journal(path)
    check_answers(rows, path=path, order=order)
    return standing_answers(rows)


def check_answers(rows: Sequence[dict[str, Any]], *, path: Path, order: Sequence[str]) -> None:
    """UserError that names file and row where a row is neither an answer to `order` nor an undo."""
    for number, row in enumerate(rows, start=1):
        name = f"{path}, row {number}"
        check_row(row, file=ANSWER_ROW, name=name)
        if "undo" in row:
            continue
        if not row.keys() >= ANSWER_KEYS:
            raise UserError(f"{name} is no whole answer.", "Restore the file.")
        if not 0 <= row["position"] < len(order) or order[row["position"]] != row["item"]:
            raise UserError(f"{name} answers another picture than was shown.", "Is this the journal of this study?")
        if row["call"] not in (REAL, SYNTHETIC) or not 1 <= row["confidence"] <= 5 or not 1 <= row["plausibility"] <= 5:
            raise UserError(f"{name} holds an answer that nobody can give.", "Restore the file.")


def standing_answers(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a journal that were not taken back, by position."""
    answers: list[dict[str, Any]] = []
    for row in rows:
        if "undo" in row:
            if row["undo"] == len(answers) - 1:
                answers.pop()
        elif row.get("position") == len(answers):
            answers.append(row)
    return answers


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
