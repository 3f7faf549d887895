"""The search for patients' names in what a generated set says of itself, before any of it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from woundgen.generation.image_set import Recipe
from woundgen.privacy.private_names import Search, find_names, names_of_run, private_names, refuse_names
from woundgen.records import Photo
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON


def refuse_private_text(out: Path, recipe: Recipe, *, screened: Sequence[Photo], runs: Sequence[Path]) -> None:
    """Raise UserError where prompt, label or folder name a patient or a photograph.

    screened: photographs that images are held against. runs: that the adapters lie in, with their own photographs.
    """
    searches: list[Search] = []
    if screened:
        names = private_names(screened)
        searches.append(lambda text: find_names(text, names))
    searches += [names_of_run(read_json(run / RUN_JSON)) for run in runs]
    prompts = {"set.json (prompt)": recipe.prompt, "set.json (negative prompt)": recipe.negative_prompt}
    refuse_names({**prompts, "set.json (label)": recipe.label, f"the folder {out.name}": out.name}, searches)
