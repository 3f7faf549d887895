"""A generated set on disk: whole blocks of images, or nothing of a block.

    set.json        the recipe: all that decides the images
    images/         accepted images, PNG
    metadata.csv    file_name, label ... of accepted images: the ImageFolder convention of datasets
    manifest.jsonl  a DrawnImage row for every image drawn, kept or not

The rows of a block enter the manifest once its files are on disk; a block is done when its last row is there.
What a kill left of an unfinished block is removed when the set is opened again, so it can be drawn anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.data.files.images import write_png
from woundgen.data.layouts.csv_safety import neutral
from woundgen.errors import UserError
from woundgen.generation.sampler import SamplerSettings, image_seed
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.records import DrawnImage, Verdict
from woundgen.storage.files import fsync_directory, read_jsonl, sha256_json, write_json, write_text
from woundgen.storage.names import IMAGES, MANIFEST_JSONL, METADATA_CSV, SET_JSON
from woundgen.storage.ownership import claim_output

SURPLUS = "surplus"
"""Reason of images that passed after the set was full: blocks are drawn whole."""

_COLUMNS = ("file_name", "label", "index", "seed")
_IMAGE_NAME = re.compile(r"\d{6,}\.png")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a set; a change of anything here is another set.

    base: digest. adapters: (digest of the file, strength), in the order fused. precision: of the UNet.
    screening: policy, thresholds and digests of what images are held against; empty where all are kept.
    guide: (digest, strength) of the adapter of a guide. threads: of the CPU; their number rounds.
    source: (salted id, strength) of a photograph that the images begin from.
    size: that images are reduced to, None: as they are drawn.
    """

    label: str
    prompt: str
    negative_prompt: str
    base: str
    adapters: tuple[tuple[str, float], ...]
    precision: str
    sampler: SamplerSettings
    count: int
    screening: dict[str, Any]
    guide: tuple[str, float] | None = None
    threads: int | None = None
    source: tuple[str, float] | None = None
    size: int | None = None

    def identity(self) -> str:
        return sha256_json(asdict(self))

    def adapter(self) -> str | None:
        """The adapters in one word: digest*strength, joined by +."""
        return "+".join(f"{digest}*{strength:g}" for digest, strength in self.adapters) or None


@dataclass(frozen=True, slots=True)
class Tally:
    """Where a set stands. reasons: images not kept, by reason; `plus` leaves the values in brackets out."""

    drawn: int
    accepted: int
    reasons: dict[str, int]

    @property
    def rejected(self) -> int:
        return self.drawn - self.accepted - self.reasons.get(SURPLUS, 0)

    def kinds(self) -> Counter[str]:
        """Images not kept, by reason without its values in brackets; most frequent first in most_common."""
        kinds: Counter[str] = Counter()
        for reason, number in self.reasons.items():
            kinds[_kind(reason)] += number
        return kinds

    def short_of(self, count: int) -> int:
        """Images that are missing from `count` accepted ones."""
        return max(0, count - self.accepted)

    def plus(self, outcomes: Iterable[tuple[bool, str]]) -> Tally:
        """With more images, each (accepted, reason)."""
        accepted, reasons = self.accepted, Counter(self.reasons)
        for kept, reason in outcomes:
            accepted += kept
            reasons.update([] if kept else [_kind(reason)])  # each with its values would grow with the set
        return Tally(accepted + reasons.total(), accepted, dict(sorted(reasons.items())))


def _kind(reason: str) -> str:
    """Without its values in brackets."""
    return reason.split(" (")[0]


@dataclass(frozen=True, slots=True)
class GeneratedSet:
    """An open set: made by `open_set`, appended to block by block."""

    folder: Path
    recipe: Recipe

    def tally(self) -> Tally:
        rows = read_jsonl(self.folder / MANIFEST_JSONL)
        return Tally(0, 0, {}).plus((row["accepted"], row["reason"]) for row in rows)

    def append(self, indices: Sequence[int], images: np.ndarray, verdicts: Sequence[Verdict]) -> None:
        """Put one whole block on disk. images: uint8 [len(indices), H, W, 3]."""
        assert indices[0] % self.recipe.sampler.block == 0, "a block begins at a multiple of its size"
        assert len(indices) == len(images) == len(verdicts) == self.recipe.sampler.block, "blocks are whole"
        rows = [self._row(i, image, v) for i, image, v in zip(indices, images, verdicts, strict=True)]
        for row, image in zip(rows, images, strict=True):
            if row.file_name is not None:
                write_png(self.folder / row.file_name, image, text=synthetic_mark())
        _append(self.folder / METADATA_CSV, _table(asdict(row) for row in rows))
        lines = (json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows)
        _append(self.folder / MANIFEST_JSONL, "".join(lines))  # last: with it the block is done

    def _row(self, index: int, image: np.ndarray, verdict: Verdict) -> DrawnImage:
        """verdict.nearest is left out: which photograph is nearest belongs to the private report."""
        sampler = self.recipe.sampler
        return DrawnImage(
            index=index,
            file_name=f"{IMAGES}/{index:06d}.png" if verdict.accepted else None,
            label=self.recipe.label,
            seed=image_seed(sampler.seed, index),
            prompt=self.recipe.prompt,
            negative_prompt=self.recipe.negative_prompt,
            guidance_scale=sampler.guidance_scale,
            steps=sampler.steps,
            sampler=sampler.sampler,
            adapter=self.recipe.adapter(),
            base=self.recipe.base,
            sha256=hashlib.sha256(image.tobytes()).hexdigest(),
            accepted=verdict.accepted,
            reason=verdict.reason,
            scores=verdict.scores,
        )


def open_set(folder: Path, recipe: Recipe) -> GeneratedSet:
    """Start the set of `recipe` in `folder`, or go on with it from its last whole block.

    Raises UserError where the folder holds anything else, another recipe's set included, or where an image
    of a finished block has gone.
    """
    claim_output(folder, identity=recipe.identity(), what="generated set")
    (folder / IMAGES).mkdir(exist_ok=True)
    write_json(folder / SET_JSON, asdict(recipe))
    _cut_to_whole_blocks(folder / MANIFEST_JSONL, block=recipe.sampler.block)
    kept = {row["file_name"] for row in read_jsonl(folder / MANIFEST_JSONL) if row["accepted"]}
    _match_files(folder, kept)
    write_text(folder / METADATA_CSV, _header() + _table(read_jsonl(folder / MANIFEST_JSONL)))
    fsync_directory(folder)
    return GeneratedSet(folder, recipe)


def _cut_to_whole_blocks(manifest: Path, *, block: int) -> None:
    """Drop the rows after the last whole block; what a torn write left counts as no row."""
    if not manifest.exists():
        return
    with manifest.open("rb+") as handle:
        end = offset = 0
        for count, length in enumerate(_row_lengths(handle), start=1):
            offset += length
            if count % block == 0:
                end = offset
        handle.truncate(end)
        os.fsync(handle.fileno())


def _row_lengths(lines: Iterable[bytes]) -> Iterator[int]:
    """Bytes of each line, up to the first that is no whole row."""
    for line in lines:
        try:
            json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n"):
            return
        yield len(line)


def _match_files(folder: Path, kept: set[str]) -> None:
    """Remove images that no row names, and unfinished files; refuse where a row's image has gone."""
    for unfinished in (*folder.glob(".*.tmp"), *folder.glob(f"{IMAGES}/.*.tmp")):
        unfinished.unlink()
    names = (path.name for path in (folder / IMAGES).iterdir())
    found = {f"{IMAGES}/{name}" for name in names if _IMAGE_NAME.fullmatch(name)}
    if gone := sorted(kept - found):
        raise UserError(
            f"{folder}: {gone[0]} is listed in {MANIFEST_JSONL} but is gone ({len(gone)} in all).",
            "Restore it, or start again in another --out.",
        )
    for name in found - kept:
        (folder / name).unlink()


def _header() -> str:
    return ",".join(_COLUMNS) + "\n"


def _table(rows: Iterable[dict[str, Any]]) -> str:
    """Lines of metadata.csv for the accepted ones among `rows`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writerows(row | {"label": neutral(row["label"])} for row in rows if row["accepted"])
    return text.getvalue()


def _append(path: Path, text: str) -> None:
    """Append and wait until it is on disk."""
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
