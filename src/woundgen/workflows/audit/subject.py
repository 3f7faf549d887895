"""Whom an audit is about: the photographs that adapters were trained on, recorded by a run or named by the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.adapters.noise_schedule import as_trained
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.config.load import stored_config
from woundgen.config.train import prompts_for
from woundgen.data.photo_set import PhotoSet, gather, photographs_of
from woundgen.data.pixels.prepare import MARGIN
from woundgen.errors import UserError
from woundgen.models.base import BaseModel, load_base
from woundgen.records import PHASES
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON, SET_JSON
from woundgen.storage.provenance import find_trained_file

WHOLE = 0.999  # of a folder without sides: whatever is not held out was trained on
Weighted = tuple[Path, float]


@dataclass(frozen=True, slots=True)
class Subject:
    """photos: with the sides that the adapters saw. adapters: files with their strengths in the set.

    load: the base on the schedule that they were trained with. prompts: of rows of the photographs.
    """

    photos: PhotoSet
    adapters: tuple[Weighted, ...]
    load: Callable[[], BaseModel]
    prompts: Callable[[Sequence[int]], list[str]]


def choose_subject(
    generated: Path, *, run: Path | None, real: Path | None, adapters: Sequence[Path], base: str | None
) -> Subject:
    """Take it from the run, or from the photographs and adapter files; exactly one of `run` and `real` is given."""
    recipe = read_json(generated / SET_JSON)
    if (run is None) == (real is None):
        raise UserError("Give either a run or photographs.", "Photographs are for adapters that lie in no run.")
    if run is not None:
        return run_subject(run, recipe)
    assert real is not None
    size = recipe.get("size") or recipe["sampler"]["height"]
    return file_subject(adapters, recipe, real=real, base=base, size=size)


def run_subject(run: Path, recipe: Mapping[str, Any]) -> Subject:
    """Take all of it from the run whose adapters drew the set. UserError where it holds none of them."""
    record = read_json(run / RUN_JSON)
    config = stored_config(record["config"])
    photos = photographs_of(run)
    adapters = tuple((_find_file(run, digest), strength) for digest, strength in recipe["adapters"])

    def prompts(rows: Sequence[int]) -> list[str]:
        return [prompts_for(config, photos.photos[row].phase)[0] for row in rows]

    return Subject(photos, adapters, lambda: _load(config.model.base, adapters), prompts)


def file_subject(
    places: Sequence[Path], recipe: Mapping[str, Any], *, real: Path, base: str | None, size: int
) -> Subject:
    """Of adapters that lie in no run: `real` holds what they were trained on, with those that were not (`split`).

    size: of the set's images. UserError where a file did not draw the set, or no base is known.
    """
    label = recipe["label"]
    if label not in PHASES:
        raise UserError(f"The set's label {label!r} is no phase.", "Draw it with --label I, P or R.")
    adapters_named = [adapter_of(place, weights="auto") for place in places]
    files = {adapter.digest: adapter.file for adapter in adapters_named}
    missing = [digest for digest, _ in recipe["adapters"] if digest not in files]
    if missing or len(files) != len(recipe["adapters"]):
        what = f"adapter {missing[0][:12]} drew the set" if missing else "not every --adapter drew the set"
        raise UserError(f"{what[0].upper()}{what[1:]}.", "Name just the files that drew it, each with --adapter.")
    name = base or next((adapter.base for adapter in adapters_named if adapter.base is not None), None)
    if name is None:
        raise UserError("No adapter names its base model.", "Give --base.")
    photos = gather(real, phases=[label], resolution=size, margin=MARGIN, train_share=WHOLE, seed=0)
    adapters = tuple((files[digest], strength) for digest, strength in recipe["adapters"])

    def prompts(rows: Sequence[int]) -> list[str]:
        return [recipe["prompt"]] * len(rows)

    return Subject(photos, adapters, lambda: _load(name, adapters), prompts)


def _load(name: str, adapters: Sequence[Weighted]) -> BaseModel:
    return as_trained(load_base(name), [file for file, _ in adapters])


def _find_file(run: Path, digest: str) -> Path:
    """The adapter file with that digest among the run's checkpoints."""
    if (file := find_trained_file(run, [digest])) is not None:
        return file
    raise UserError(f"{run} holds no adapter with digest {digest[:12]}.", "Give the run that the set was drawn with.")
