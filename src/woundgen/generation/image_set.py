"""A generated set on disk: whole blocks of images, or nothing of a block.

    set.json        the recipe: all that decides the images
    images/         accepted images, PNG
    metadata.csv    file_name, label ... of accepted images: the ImageFolder convention of datasets
    manifest.jsonl  a row for each of them; counts.json: how many were drawn and kept
    beside it, private: a DrawnImage row for every image drawn, kept or not (set_rows.py)

The rows of a block enter the private manifest once its files are on disk; a block is done when its last row is there.
What a kill left of an unfinished block is removed when the set is opened again, so it can be drawn anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from woundgen.data.files.images import write_png
from woundgen.data.layouts.csv_safety import neutral
from woundgen.errors import UserError
from woundgen.generation.sampler import SamplerSettings, image_seed
from woundgen.generation.synthetic_mark import synthetic_mark
from woundgen.storage.content_digest import add_digest
from woundgen.storage.display import escape_controls
from woundgen.storage.files import fsync_directory, read_jsonl, sha256_json, write_json, write_text
from woundgen.storage.names import COUNTS_JSON, IMAGES, MANIFEST_JSONL, METADATA_CSV, SET_JSON
from woundgen.storage.outcomes import outcome_of_verdict
from woundgen.storage.ownership import claim_output
from woundgen.storage.set_rows import (
    Tally,
    journal_path,
    prepare_journal,
    public_row,
    read_drawn_rows,
    read_tally,
    tally_rows,
    write_tally,
)
from woundgen.verdicts import DrawnImage, Verdict

COLUMNS = {"file_name": str, "label": str, "index": int, "seed": int}
_IMAGE_NAME = re.compile(r"\d{6,}\.png")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a set; a change of anything here is another set.

    base: digest. adapters: (digest of the file, strength), in the order fused. precision: of the UNet.
    screening: policy and thresholds; empty where all are kept. What against: screening_record.
    guide: (digest, strength) of the adapter of a guide. threads: of the CPU; their number rounds.
    source: (salted id, strength) of a photograph that the images begin from.
    size: that images are reduced to, None: as they are drawn.
    trained_on: digests of other bases that the adapters were trained on, None where it is this one.
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
    trained_on: tuple[str, ...] | None = None

    def record(self) -> dict[str, Any]:
        """Return the content of set.json, without parts that older sets did not have and that hold nothing."""
        return {key: value for key, value in asdict(self).items() if key != "trained_on" or value is not None}

    def identity(self) -> str:
        return sha256_json(self.record())

    def adapter(self) -> str | None:
        """The adapters in one word: digest*strength, joined by +."""
        return "+".join(f"{digest}*{strength:g}" for digest, strength in self.adapters) or None


@dataclass(frozen=True, slots=True)
class GeneratedSet:
    """An open set: made by `open_set`, appended to block by block."""

    folder: Path
    recipe: Recipe

    def tally(self) -> Tally:
        rows = read_drawn_rows(self.folder)
        return read_tally(self.folder) if rows is None else tally_rows(rows)

    def append(self, indices: Sequence[int], images: np.ndarray, verdicts: Sequence[Verdict]) -> None:
        """Put one whole block on disk. images: uint8 [len(indices), H, W, 3]."""
        assert indices[0] % self.recipe.sampler.block == 0, "a block begins at a multiple of its size"
        assert len(indices) == len(images) == len(verdicts) == self.recipe.sampler.block, "blocks are whole"
        rows = [self._row(i, image, v) for i, image, v in zip(indices, images, verdicts, strict=True)]
        for row, image in zip(rows, images, strict=True):
            if row.file_name is not None:
                write_png(self.folder / row.file_name, image, text=synthetic_mark())
        drawn = [asdict(row) for row in rows]
        _append(self.folder / METADATA_CSV, _table(drawn))
        _append(self.folder / MANIFEST_JSONL, _lines(public_row(row) for row in drawn if row["accepted"]))
        write_tally(self.folder, read_tally(self.folder).plus(map(outcome_of_verdict, verdicts)))
        _append(journal_path(self.folder), _lines(drawn))  # last: with it the block is done

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
            kind=verdict.kind,
            category=verdict.category,
        )


def open_set(folder: Path, recipe: Recipe) -> GeneratedSet:
    """Start the set of `recipe` in `folder`, or go on with it from its last whole block.

    Raises UserError where the folder holds anything else, another recipe's set included, or where an image
    of a finished block, or the private folder of an unfinished set, has gone.
    """
    claim_output(folder, identity=recipe.identity(), what="generated set")
    if _is_finished_alone(folder, recipe):
        return GeneratedSet(folder, recipe)
    (folder / IMAGES).mkdir(exist_ok=True)
    write_json(folder / SET_JSON, add_digest(recipe.record()))
    journal = prepare_journal(folder)
    _cut_to_whole_blocks(journal, block=recipe.sampler.block)
    rows = list(read_jsonl(journal))
    _match_files(folder, {row["file_name"] for row in rows if row["accepted"]})
    write_text(folder / METADATA_CSV, _header() + _table(rows))
    write_text(folder / MANIFEST_JSONL, _lines(public_row(row) for row in rows if row["accepted"]))
    write_tally(folder, tally_rows(rows))
    fsync_directory(folder)
    return GeneratedSet(folder, recipe)


def _is_finished_alone(folder: Path, recipe: Recipe) -> bool:
    """Whether the set was passed on whole without its private folder. UserError where it is not whole."""
    if journal_path(folder).exists() or not (folder / COUNTS_JSON).exists():
        return False
    tally = read_tally(folder)
    if tally.drawn and tally.short_of(recipe.count):
        raise UserError(
            f"{journal_path(folder)} is gone, which says which images of this set were drawn and not kept.",
            f"Put {journal_path(folder).parent} back beside the set, or start again in another --out.",
        )
    return tally.drawn > 0


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
    return ",".join(COLUMNS) + "\n"


def _table(rows: Iterable[dict[str, Any]]) -> str:
    """Lines of metadata.csv for the accepted ones among `rows`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), extrasaction="ignore", lineterminator="\n")
    writer.writerows(row | {"label": neutral(escape_controls(row["label"]))} for row in rows if row["accepted"])
    return text.getvalue()


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def _append(path: Path, text: str) -> None:
    """Append and wait until it is on disk."""
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
