"""Whom an audit is about: the photographs that adapters were trained on, recorded by a run or named by the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.adapters.noise_schedule import as_trained
from woundgen.adapters.post_hoc_ema import adapter_of
from woundgen.config.load import stored_config
from woundgen.config.train import TrainConfig, prompts_for
from woundgen.data.photo_set import PhotoSet, gather, photographs_of
from woundgen.data.pixels.prepare import MARGIN
from woundgen.errors import UserError
from woundgen.models.base import BaseModel, load_base
from woundgen.records import PHASES
from woundgen.storage.files import read_json
from woundgen.storage.names import RUN_JSON, SET_JSON
from woundgen.storage.provenance import find_trained_file
from woundgen.workflows.audit.sides import unite_photographs

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
    generated: Path, *, runs: Sequence[Path], real: Path | None, adapters: Sequence[Path], base: str | None
) -> Subject:
    """Take it from the runs, or from the photographs and adapter files; just one of `runs` and `real` is given."""
    recipe = read_json(generated / SET_JSON)
    if bool(runs) == (real is not None):
        raise UserError("Give either a run or photographs.", "Photographs are for adapters that lie in no run.")
    if real is None:
        return run_subject(runs, recipe)
    size = recipe.get("size") or recipe["sampler"]["height"]
    return file_subject(adapters, recipe, real=real, base=base, size=size)


def run_subject(runs: Sequence[Path], recipe: Mapping[str, Any]) -> Subject:
    """Take all of it from the runs whose adapters and guide drew the set.

    Each photograph has the prompt of the first run that was trained on its phase. Raises UserError where an adapter, or
    the guide, is of no run named.
    """
    adapters = tuple((_find_file(runs, digest), strength) for digest, strength in recipe["adapters"])
    if recipe.get("guide"):
        _find_file(runs, recipe["guide"][0])
    configs = [stored_config(read_json(run / RUN_JSON)["config"]) for run in runs]
    photos = unite_photographs([photographs_of(run) for run in runs])

    def prompts(rows: Sequence[int]) -> list[str]:
        return [_prompt_for(configs, photos.photos[row].phase) for row in rows]

    return Subject(photos, adapters, lambda: _load(configs[0].model.base, adapters), prompts)


def _prompt_for(configs: Sequence[TrainConfig], phase: str) -> str:
    trained = [config for config in configs if phase in config.photographs.phases]
    return prompts_for((trained or configs)[0], phase)[0]


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


def _find_file(runs: Sequence[Path], digest: str) -> Path:
    """The adapter file with that digest among the runs' checkpoints."""
    for run in runs:
        if (file := find_trained_file(run, [digest])) is not None:
            return file
    named = ", ".join(str(run) for run in runs)
    raise UserError(
        f"{named} holds no adapter with digest {digest[:12]}.",
        "Give every run that the set was drawn with (--run, repeatable).",
    )
