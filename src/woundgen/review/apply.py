"""Honour a review: rejected images leave the set, and their rows say why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from woundgen.errors import UserError
from woundgen.storage.files import read_jsonl, write_text
from woundgen.storage.names import private_folder
from woundgen.storage.ownership import make_private
from woundgen.storage.set_rows import journal_path
from woundgen.verdicts import RejectionKind, Verdict

REJECTED = "rejected"
Judge = Callable[[np.ndarray, Sequence[int]], list[Verdict]]


def image_name(index: int) -> str:
    """The file of an image of a set, without its folder."""
    return f"{index:06d}.png"


def take_out(set_dir: Path, rejected: Mapping[int, str]) -> int:
    """Turn accepted rows whose index is rejected into rejected ones; returns how many.

    Their pictures are kept in SET.private/rejected. The private manifest is replaced whole, so a kill leaves the old or
    the new; opening the set writes the public one anew and removes the files that no row names any more. Raises
    UserError where the private manifest is not here.
    """
    if not rejected:
        return 0
    journal = journal_path(set_dir)
    if not journal.is_file():
        raise UserError(
            f"{journal} is not here, and without it no image of {set_dir} can be taken out and drawn again.",
            "Put the private folder back beside the set.",
        )
    rows = list(read_jsonl(journal))
    leaving = [row for row in rows if row["accepted"] and row["index"] in rejected]
    if not leaving:
        return 0
    if gone := [row["file_name"] for row in leaving if not (set_dir / row["file_name"]).is_file()]:
        raise UserError(
            f"{set_dir}: {gone[0]}, which reviewers rejected, is gone: {journal.parent} belongs to another set.",
            f"Move {journal.parent} away, or choose another --out.",
        )
    kept = private_folder(set_dir) / REJECTED
    make_private(kept.parent)
    make_private(kept)
    for row in leaving:
        shutil.copyfile(set_dir / row["file_name"], kept / image_name(row["index"]))
        reason = rejected[row["index"]]
        row |= {"accepted": False, "file_name": None, "reason": reason}
        row |= {"kind": RejectionKind.REVIEWER, "category": reason}
    write_text(journal, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    return len(leaving)


def find_taken_out(set_dir: Path, rejected: Mapping[int, str]) -> dict[int, str]:
    """Those of `rejected` that have left the set already: blocks that are drawn again must not bring them back."""
    kept = private_folder(set_dir) / REJECTED
    return {index: reason for index, reason in rejected.items() if (kept / image_name(index)).is_file()}


def _reject(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, accepted=False, reason=reason, kind=RejectionKind.REVIEWER, category=reason)


def judge_with(judge: Judge | None, rejected: Mapping[int, str]) -> Judge:
    """The screen's verdicts, but rejected where reviewers rejected: for blocks that are drawn again."""

    def verdicts(images: np.ndarray, indices: Sequence[int]) -> list[Verdict]:
        screened = judge(images, indices) if judge is not None else [Verdict(True, "") for _ in indices]
        return [
            _reject(one, rejected[index]) if one.accepted and index in rejected else one
            for one, index in zip(screened, indices, strict=True)
        ]

    return verdicts
