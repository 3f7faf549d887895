"""The job of `woundgen review`: serve a set's page until interrupted, then write the outcome into its card."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from woundgen.data.files.images import png_bytes, read_photograph
from woundgen.data.layouts.find_photos import find_photos
from woundgen.data.layouts.manifest import photograph_root
from woundgen.data.pixels.prepare import prepare_all
from woundgen.errors import UserError
from woundgen.events import Info, Work
from woundgen.review.decisions import REJECT, journal_of, read_decisions, rejections, summarise
from woundgen.runtime.lock import only_writer
from woundgen.storage.files import write_text
from woundgen.storage.names import DATASET_CARD, MANIFEST_JSONL, private_folder
from woundgen.storage.ownership import make_private
from woundgen.storage.set_rows import read_drawn_rows, read_released_rows
from woundgen.web.serve import Address, check_address, open_server, require_extra

NEAREST = 3
CARD_ROW = "| reviewed |"


@dataclass(frozen=True, slots=True)
class ReviewState:
    """State of the review of a set. images: in the set. accepted, rejected: by the decisions that stand on them.

    reasons: of rejections. It names no reviewer.
    """

    folder: Path
    images: int
    accepted: int
    rejected: int
    reasons: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the folder and the counts."""
        return {
            "folder": str(self.folder), "images": self.images, "accepted": self.accepted, "rejected": self.rejected,
            "undecided": self.images - self.accepted - self.rejected, "reasons": dict(self.reasons),
        }  # fmt: skip


def read_state(set_dir: Path) -> ReviewState:
    """Count the decisions on the images that the set holds. UserError where it is no set."""
    images = {row["index"] for row in _accepted_rows(set_dir)}
    decisions = [decision for index, decision in read_decisions(set_dir).items() if index in images]
    reasons = Counter(decision.reason for decision in decisions if decision.verdict == REJECT)
    rejected = sum(reasons.values())
    return ReviewState(set_dir, len(images), len(decisions) - rejected, rejected, dict(sorted(reasons.items())))


def review_set(set_dir: Path, address: Address, *, real: Path | None, margin: float, reviewer: str) -> Work[None]:
    """Serve until interrupted. real: photographs whose nearest are shown beside each image, on the private side."""
    require_extra()
    rows = _accepted_rows(set_dir)
    shown = "photographs of patients" if real is not None else "images of the set"
    for line in check_address(address, what=shown):
        yield Info(line)
    from woundgen.review.app import MAXIMUM_BODY, ReviewedSet, ReviewPages

    private = private_folder(set_dir)
    make_private(private)
    indices = [row["index"] for row in rows]
    found = (yield from _nearest(set_dir, rows, real, margin=margin)) if real is not None else ({}, [], {})
    reviewed = ReviewedSet(
        name=set_dir.name,
        files={row["index"]: set_dir / row["file_name"] for row in rows},
        labels={row["index"]: row["label"] for row in rows},
        scores=_columns({row["index"]: row["scores"] for row in rows}, indices),
        private=_columns(_private_scores(set_dir, rows), indices) | found[2],
        nearest=found[0],
        photographs=found[1],
    )
    token = secrets.token_urlsafe(32)
    with only_writer(private):
        pages = ReviewPages(reviewed, journal_of(set_dir), reviewer=reviewer, token=token)
        try:
            server = open_server(pages.application, address, maximum_body=MAXIMUM_BODY)
            yield Info(f"{len(rows)} images of {set_dir}; decisions go to {journal_of(set_dir)} as they are made")
            yield Info(f"{server.url}/r/{token}/")
            yield Info("Ctrl+C ends the review; woundgen generate --reviewed takes the rejected out and draws others")
            server.run()
        finally:
            pages.close()
            yield from tell_card(set_dir)


def tell_card(set_dir: Path) -> Work[None]:
    """Write who decided how many, and why, into the set's card, if it has one. Names nobody."""
    decisions, images = read_decisions(set_dir), [row["index"] for row in _accepted_rows(set_dir)]
    line = summarise(decisions, images)
    card = set_dir / DATASET_CARD
    if line is None:
        return
    if still := len(rejections(decisions).keys() & set(images)):
        line += f"; {still} of the rejected still in this set: woundgen generate --reviewed takes them out"
    yield Info(line)
    if not card.is_file():
        return
    lines = [text for text in card.read_text().splitlines() if not text.startswith(CARD_ROW)]
    places = [number for number, text in enumerate(lines) if text.startswith("| not kept |")]
    if places:
        lines.insert(places[0] + 1, f"{CARD_ROW} {line} |")
        write_text(card, "\n".join(lines) + "\n")


def _accepted_rows(set_dir: Path) -> list[dict[str, Any]]:
    rows = read_released_rows(set_dir)
    if not rows:
        raise UserError(
            f"{set_dir} holds no generated images ({MANIFEST_JSONL}).", "Name a folder of woundgen generate."
        )
    return rows


def _columns(scores: Mapping[int, Mapping[str, float]], indices: Sequence[int]) -> dict[str, list[float | None]]:
    """name -> value of each index, None where there is none."""
    names = sorted({name for values in scores.values() for name in values})
    return {name: [_finite(scores.get(index, {}).get(name)) for index in indices] for name in names}


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _private_scores(set_dir: Path, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Scores of the private manifest that the public one leaves out; {} where it is not here."""
    public = {row["index"]: row["scores"] for row in rows}
    drawn = [row for row in read_drawn_rows(set_dir) or [] if row["index"] in public]
    return {row["index"]: {k: v for k, v in row["scores"].items() if k not in public[row["index"]]} for row in drawn}


def _nearest(
    set_dir: Path, rows: Sequence[Mapping[str, Any]], real: Path, *, margin: float
) -> Work[tuple[dict[int, list[int]], list[bytes], dict[str, list[float | None]]]]:
    """(index -> rows of photographs, their PNGs, distance to the nearest), by embedded features."""
    from woundgen.metrics.measure import load_extractors

    phases = sorted({row["label"] for row in rows})
    photos = find_photos(real, phases=phases, unlabelled=phases[0] if len(phases) == 1 else None)
    first = read_photograph(set_dir / rows[0]["file_name"], roots=[set_dir])
    yield Info(f"looking for the nearest of {len(photos)} photographs to each image")
    roots = [photograph_root(real)]
    images = prepare_all(photos, resolution=first.shape[0], margin=margin, roots=roots, cache_dir=None)
    (network,) = load_extractors(["embedded"])
    wanted = network.pooled(images)
    generated = [read_photograph(set_dir / row["file_name"], roots=[set_dir]) for row in rows]
    distances = _distances(network.pooled(np.stack(generated)), wanted)
    order = np.argsort(distances, axis=1)[:, :NEAREST]
    near = {row["index"]: order[number].tolist() for number, row in enumerate(rows)}
    column: list[float | None] = [float(value) for value in distances.min(axis=1)]
    return near, [png_bytes(image, text={}) for image in images], {"distance to the nearest photograph": column}


def _distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.sqrt(np.maximum(squares, 0))
