"""A set that is asked for more images than before.

Blocks are drawn whole, and what passed after the set was full was not kept. So the block that filled it is drawn
again, and the set goes on as if it had been asked for more from the start, with the same bytes.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

from woundgen.errors import UserError
from woundgen.generation.image_set import Recipe
from woundgen.storage.content_digest import without_digest
from woundgen.storage.files import read_json, read_jsonl
from woundgen.storage.names import MARKER, SET_JSON
from woundgen.storage.outcomes import outcome_of_row
from woundgen.storage.ownership import reclaim_output
from woundgen.storage.set_rows import prepare_journal
from woundgen.verdicts import RejectionKind


def let_grow(folder: Path, recipe: Recipe) -> None:
    """Make the set in `folder` one of `recipe.count` images, if it is the same but for a smaller count.

    Anything else there is left as it is, for `open_set` to judge. Raises UserError where fewer are asked for.
    """
    if not is_smaller(folder, recipe):
        return
    before = read_json(folder / SET_JSON)["count"]
    if read_json(folder / MARKER).get("identity") != replace(recipe, count=before).identity():
        return  # grown already, and killed before it was opened
    cut_before_surplus(prepare_journal(folder), block=recipe.sampler.block)
    # Last: a kill before it leaves a smaller set that has to draw its last block again.
    reclaim_output(folder, identity=recipe.identity(), what="generated set")


def is_smaller(folder: Path, recipe: Recipe) -> bool:
    """Whether `folder` holds the set of `recipe` but for a smaller count. Raises UserError where it is larger."""
    if not (folder / SET_JSON).is_file():
        return False
    before, wanted = without_digest(read_json(folder / SET_JSON)), json.loads(json.dumps(recipe.record()))
    if before | {"count": recipe.count} != wanted or before == wanted:
        return False
    if recipe.count < before["count"]:
        raise UserError(
            f"{folder} holds this set with {before['count']} images, and {recipe.count} are asked for.",
            "Ask for as many or more, or choose another --out.",
        )
    return True


def cut_before_surplus(manifest: Path, *, block: int) -> None:
    """Drop the rows of the block that filled the set, if one did; its files go when the set is opened."""
    rows = read_jsonl(manifest)
    filled = next((row["index"] for row in rows if outcome_of_row(row).kind is RejectionKind.SURPLUS), None)
    if filled is None:
        return
    with manifest.open("rb+") as handle:
        end = sum(map(len, islice(handle, filled // block * block)))
        handle.truncate(end)
        os.fsync(handle.fileno())
