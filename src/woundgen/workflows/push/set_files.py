"""The files of a generated set that may be sent out, each looked at before."""

from __future__ import annotations

import re
from pathlib import Path

from woundgen.data.files.paths import resolve_inside
from woundgen.errors import UserError
from woundgen.generation.drawn_pixels import check_drawn_image
from woundgen.storage.files import read_json
from woundgen.storage.names import (
    AUDIT_JSON,
    AUDIT_MD,
    COUNTS_JSON,
    CROISSANT_JSON,
    DATASET_CARD,
    DIFFUSERS_SCRIPT,
    EXPOSURE_JSON,
    HOLDOUT_METRICS_JSON,
    MANIFEST_JSONL,
    METADATA_CSV,
    METRICS_JSON,
    PREPARATION_JSON,
    SET_JSON,
)
from woundgen.storage.set_rows import holds_rejected_rows, images_digest, read_released_rows

SENT = (
    DATASET_CARD, METADATA_CSV, MANIFEST_JSONL, COUNTS_JSON, SET_JSON, CROISSANT_JSON, DIFFUSERS_SCRIPT, EXPOSURE_JSON,
    PREPARATION_JSON, METRICS_JSON, HOLDOUT_METRICS_JSON,
)  # fmt: skip
NEEDED = (DATASET_CARD, METADATA_CSV, MANIFEST_JSONL)
_AUDIT_ROW = re.compile(r"^\| privacy audit \|.*\|$", re.M)
Files = dict[str, Path | bytes]


def set_files(folder: Path, *, audit: Path | None) -> Files:
    """Path in the repository -> file. With the audit's pages, where they exist, and its verdict on the card.

    UserError where a file is missing or leads out of the folder, or a picture was not drawn so.
    """
    if holds_rejected_rows(folder):
        raise UserError(f"{folder / MANIFEST_JSONL} names rejected images.", "Draw the set anew.")
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} has no {missing[0]}.", "Run its `woundgen generate` to the end.")
    files: Files = {name: resolve_inside(folder / name, roots=[folder]) for name in SENT if (folder / name).is_file()}
    for row in read_released_rows(folder):
        files[row["file_name"]] = check_drawn_image(folder, row)
    if audit is not None:
        files[AUDIT_JSON], files[AUDIT_MD] = audit / AUDIT_JSON, audit / AUDIT_MD
        card = (folder / DATASET_CARD).read_text(encoding="utf-8")
        line = f"| privacy audit | {read_json(audit / AUDIT_JSON)['verdict']} ({AUDIT_MD}) |"
        files[DATASET_CARD] = _AUDIT_ROW.sub(lambda _: line, card).encode()
    return files


def check_audit(folder: Path, audit: Path) -> None:
    """UserError where the audit is of another set, or counts copies."""
    result = read_json(audit / AUDIT_JSON)
    if not (audit / AUDIT_MD).is_file() or not isinstance(result, dict) or not isinstance(result.get("verdict"), str):
        raise UserError(f"{audit} is not a folder of woundgen audit.", "Name the audit's --out.")
    if result.get("images") != images_digest(folder):
        raise UserError(f"{audit} is an audit of other images than those in {folder}.", "Audit this set.")
    if copies := result["copies"]["count"]:
        raise UserError(f"The audit counts {copies} copies of photographs in {folder}.", "Do not pass this set on.")
