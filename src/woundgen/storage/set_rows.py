"""The rows of a generated set: those that may be shared, and those that stay private.

    OUT/manifest.jsonl           a row for each image of the set, without any score against a photograph
    OUT/counts.json              how many were drawn and kept, why the others were not, and the digest of the manifest
    OUT.private/manifest.jsonl   a row for every image ever drawn, with every score and the reason

A score against photographs is a function of the nearest one: whoever holds a photograph can compute it again and so
prove that it was trained on. A row of a rejected image names the seed by which a copy is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.storage.content_digest import add_digest
from woundgen.storage.files import read_json, read_jsonl, sha256_file, sha256_json, write_bytes, write_json
from woundgen.storage.names import COUNTS_JSON, MANIFEST_JSONL, private_folder
from woundgen.storage.outcomes import SURPLUS, Outcome, old_category, old_kind, outcome_of_row
from woundgen.storage.ownership import make_private
from woundgen.verdicts import IMAGE_SCORES, RejectionKind

Row = dict[str, Any]
MANIFEST_DIGEST = "manifest_sha256"


@dataclass(frozen=True, slots=True)
class Tally:
    """The progress of a set. reasons: images not kept, by category. copies: those of them that were called copies."""

    drawn: int
    accepted: int
    reasons: dict[str, int]
    copies: int = 0

    @property
    def rejected(self) -> int:
        return self.drawn - self.accepted - self.reasons.get(SURPLUS, 0)

    def short_of(self, count: int) -> int:
        """Images that are missing from `count` accepted ones."""
        return max(0, count - self.accepted)

    def plus(self, outcomes: Iterable[Outcome]) -> Tally:
        """With more images."""
        accepted, copies, reasons = self.accepted, self.copies, Counter(self.reasons)
        for outcome in outcomes:
            accepted += outcome.accepted
            if not outcome.accepted:
                reasons[outcome.category] += 1
                copies += outcome.kind is RejectionKind.COPY
        return Tally(accepted + reasons.total(), accepted, dict(sorted(reasons.items())), copies)

    def to_json(self) -> dict[str, Any]:
        return {"drawn": self.drawn, "accepted": self.accepted, "not_kept": self.reasons, "copies": self.copies}


def tally_rows(rows: Iterable[Mapping[str, Any]]) -> Tally:
    """Count rows of images drawn."""
    return Tally(0, 0, {}).plus(outcome_of_row(row) for row in rows)


def public_row(row: Mapping[str, Any]) -> Row:
    """The row of an accepted image as it may be shared: of its scores, those of the image alone."""
    scores = row.get("scores") or {}
    shared = {key: value for key, value in row.items() if key not in ("kind", "category")}  # of rejected ones
    return {**shared, "scores": {name: scores[name] for name in IMAGE_SCORES if name in scores}}


def journal_path(folder: Path) -> Path:
    """The private manifest of the set in `folder`; it may not exist."""
    return private_folder(folder) / MANIFEST_JSONL


def prepare_journal(folder: Path) -> Path:
    """Make the private folder of the set in `folder` and return its manifest, which may not exist yet.

    A set of an earlier version has every row in its public manifest: they are moved.
    """
    journal, public = journal_path(folder), folder / MANIFEST_JSONL
    make_private(journal.parent)
    if not journal.exists() and public.exists() and not (folder / COUNTS_JSON).exists():
        write_bytes(journal, public.read_bytes())
    return journal


def read_released_rows(folder: Path) -> list[Row]:
    """Rows of the images of a set, in the order drawn, as they may be shared.

    UserError where the manifest is not the one whose digest counts.json holds.
    """
    _check_manifest(folder)
    return [public_row(row) for row in read_jsonl(folder / MANIFEST_JSONL) if row["accepted"]]


def images_digest(folder: Path) -> str:
    """Return a digest of the pixels of a set's images, in the order drawn: the same wherever the set lies."""
    return sha256_json([row["sha256"] for row in read_released_rows(folder)])


def read_drawn_rows(folder: Path) -> list[Row] | None:
    """Rows of all images ever drawn, with all scores: private. None where the private folder is not here."""
    if journal_path(folder).is_file():
        return list(read_jsonl(journal_path(folder)))
    if (folder / MANIFEST_JSONL).is_file() and not (folder / COUNTS_JSON).exists():
        return list(read_jsonl(folder / MANIFEST_JSONL))  # a set of an earlier version
    return None


def holds_rejected_rows(folder: Path) -> bool:
    """Whether the public manifest names images that were not kept, as earlier versions wrote it."""
    return any(not row["accepted"] for row in read_jsonl(folder / MANIFEST_JSONL))


def write_tally(folder: Path, tally: Tally) -> None:
    """Write counts.json, with the digest of the public manifest as it is now."""
    manifest = {MANIFEST_DIGEST: sha256_file(folder / MANIFEST_JSONL)}
    write_json(folder / COUNTS_JSON, add_digest(tally.to_json() | manifest))


def _check_manifest(folder: Path) -> None:
    """Raise UserError where counts.json holds the digest of another manifest. Earlier versions wrote none."""
    counts, manifest = folder / COUNTS_JSON, folder / MANIFEST_JSONL
    recorded = read_json(counts).get(MANIFEST_DIGEST) if counts.is_file() and manifest.is_file() else None
    if recorded is not None and recorded != sha256_file(manifest):
        raise UserError(
            f"{manifest} is not the one whose digest is in {COUNTS_JSON}: it was changed, or a kill came in between.",
            "Run the same `woundgen generate` again, which writes both anew from the private rows; or restore it.",
        )


def read_tally(folder: Path) -> Tally:
    """How many images were drawn and kept. UserError for a damaged counts.json."""
    path = folder / COUNTS_JSON
    if not path.is_file():  # a set of an earlier version; of no set, nothing
        return tally_rows(read_jsonl(folder / MANIFEST_JSONL))
    try:
        counts = read_json(path)
        reasons = {str(category): int(number) for category, number in counts["not_kept"].items()}
        if "copies" not in counts:  # of an earlier version
            return _tally_of_old_counts(int(counts["drawn"]), int(counts["accepted"]), reasons)
        return Tally(int(counts["drawn"]), int(counts["accepted"]), reasons, int(counts["copies"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} does not hold the counts of a set ({error!r}).", "Restore it.") from None


def _tally_of_old_counts(drawn: int, accepted: int, reasons: Mapping[str, int]) -> Tally:
    """Of counts by reason, without kinds."""
    categories: Counter[str] = Counter()
    for reason, number in reasons.items():
        categories[old_category(reason)] += number
    copies = sum(number for reason, number in reasons.items() if old_kind(reason) is RejectionKind.COPY)
    return Tally(drawn, accepted, dict(sorted(categories.items())), copies)
