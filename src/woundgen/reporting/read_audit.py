"""An audit's privacy.json as facts for a report, joined to the set whose images it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from woundgen.errors import UserError
from woundgen.storage.files import read_json, stored_values
from woundgen.storage.names import AUDIT_JSON
from woundgen.storage.set_rows import images_digest

SHOWN_AT = 0.05  # one-sided p at or below which a test of the audit shows something

TESTS = ("nearness", "membership")
MOST_COPIES = 0.05  # rate of copies that an audit has to rule out before "no sign" is good news: 59 images without one


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """images: digest of the audited set's images. signs: whether anything speaks against sharing. whole: whether every
    test could be made, on enough images to bound the rate of copies by MOST_COPIES.

    copies, bound: images called copies, and the one-sided 95 % bound of their rate. n: images.
    """

    images: str
    signs: bool
    whole: bool
    sentence: str
    not_covered: str
    copies: int
    bound: float
    n: int


def audit_facts(record: Mapping[str, Any]) -> AuditFacts:
    """Read privacy.json; KeyError, TypeError or ValueError where it is incomplete."""
    copies, released = record["copies"], record["released"]
    signs = copies["count"] > 0 or released.get("proven", 0) > 0
    signs = signs or any(record[test].get("p", 1.0) <= SHOWN_AT for test in TESTS)
    return AuditFacts(
        images=str(record["images"]),
        signs=bool(signs),
        whole=float(copies["upper_bound"]) <= MOST_COPIES and not any("not_made" in record[test] for test in TESTS),
        sentence=str(record["verdict"]),
        not_covered=str(record["not_covered"]),
        copies=int(copies["count"]),
        bound=float(copies["upper_bound"]),
        n=int(record["n"]),
    )


def audit_word(facts: AuditFacts) -> tuple[str, Literal["good", "open", "bad"]]:
    """Return the answer to "May I share it?" in a few words, and its tone."""
    if facts.signs:
        return "Not without a decision.", "bad"
    return (
        ("No sign of copying.", "good") if facts.whole else ("No sign of copying, but too little was tested.", "open")
    )


def read_audit(folder: Path) -> AuditFacts:
    """Read `folder`/privacy.json. UserError where it is missing, damaged, or of a version that names no images."""
    path = folder / AUDIT_JSON
    record = read_json(path)
    if not isinstance(record, dict) or "images" not in record:
        raise UserError(f"{path} does not say which images it is of.", "Run woundgen audit again.")
    with stored_values(path):
        return audit_facts(record)


def join_audits(generated: Sequence[Path], audits: Iterable[Path]) -> dict[Path, AuditFacts]:
    """Return the audit of each set that has one. UserError for an audit of no set that is named."""
    digests = {images_digest(folder): folder for folder in generated} if audits else {}
    joined: dict[Path, AuditFacts] = {}
    for folder in audits:
        facts = read_audit(folder)
        if facts.images not in digests:
            raise UserError(
                f"{folder / AUDIT_JSON} is of other images than the sets that are named.",
                "Name the set that it audited, or audit this set again: it may have grown since.",
            )
        joined[digests[facts.images]] = facts
    return joined
