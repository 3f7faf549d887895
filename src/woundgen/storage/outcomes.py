"""Whether an image was kept, and why not: by its verdict, or by its row, whichever version wrote that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from woundgen.verdicts import RejectionKind, Verdict

SURPLUS = "surplus"
"""Category of images that passed after the set was full: blocks are drawn whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """category: the reason without its values, "" where the image was kept."""

    accepted: bool
    category: str = ""
    kind: RejectionKind | None = None


def outcome_of_verdict(verdict: Verdict) -> Outcome:
    """Return the outcome of an image by its verdict."""
    return Outcome(verdict.accepted, verdict.category or str(verdict.kind or ""), verdict.kind)


def outcome_of_row(row: Mapping[str, Any]) -> Outcome:
    """Return the outcome of an image by its row; rows of earlier versions have a reason alone."""
    if "kind" not in row:
        return Outcome(row["accepted"], old_category(row["reason"]), old_kind(row["reason"]))
    kind = row["kind"]
    return Outcome(row["accepted"], row.get("category") or kind or "", None if kind is None else RejectionKind(kind))


def old_category(reason: str) -> str:
    """Return the category of a reason that was stored without: its first words, without numbers."""
    words = re.split(r"[:;(,]", reason, maxsplit=1)[0]
    return re.sub(r"\s*#?\d[\d.]*", "", words).strip()


def old_kind(reason: str) -> RejectionKind | None:
    """Return the kind of a reason that was stored without, by how version 0.1.0 worded it."""
    if not reason:
        return None
    beginnings = {"copy": RejectionKind.COPY, "reviewer": RejectionKind.REVIEWER, SURPLUS: RejectionKind.SURPLUS}
    return beginnings.get(reason.split()[0].rstrip(":"), RejectionKind.RULE)
