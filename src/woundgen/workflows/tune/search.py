"""The search: generations of proposals, each measured at its rungs; the better half of a generation goes on.

Proposals are made from completed generations alone and written down before any of them is begun, so that a study that
was killed, or that several processes share, makes the trials of an undisturbed study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from woundgen.events import Info, Work
from woundgen.storage.files import read_json, write_json
from woundgen.storage.names import OPTUNA_JOURNAL
from woundgen.tuning.budget import RUNGS, survivors
from woundgen.tuning.objective import Kind, screening_images
from woundgen.tuning.proposals import Observation, propose, write_journal
from woundgen.tuning.space import Dimension, settings_for, start_values
from woundgen.tuning.sweep import MEASURED_WHOLE, count_measured
from woundgen.workflows.tune.division import SELECTION
from woundgen.workflows.tune.study import TuningStudy
from woundgen.workflows.tune.unit import GENERATIONS, Unit, UnitResult
from woundgen.workflows.tune.workers import Report, Team

START = 0  # the number of the trial that is the starting config
PRUNING = 2  # times the images of a quick look decide before the last rung, drawn with the preferred settings
SEARCH_END = "search_end.json"


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration. values: of each dimension. results: at each rung reached."""

    number: int
    generation: int
    values: Mapping[str, Any]
    results: tuple[UnitResult, ...]

    @property
    def name(self) -> str:
        """Its name in tables and folders."""
        return trial_name(self.number)

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its last step."""
        return len(self.results) == len(RUNGS)

    @property
    def last(self) -> UnitResult:
        """The result at the last rung reached."""
        return self.results[-1]


def trial_name(number: int) -> str:
    """Return the name of a trial."""
    return f"trial_{number:03d}"


def run_search(study: TuningStudy, team: Team, *, report: Report) -> Work[list[Trial]]:
    """Run, or go on with, all generations; return the trials by number. Ends early where the time is used up."""
    trials: list[Trial] = []
    for generation, count in enumerate(study.layout.generations):
        if _is_ended(study, generation):
            break
        proposals = _proposals(study, generation, count, trials)
        trials += _run_generation(study, team, generation, proposals, first=len(trials), report=report)
        write_journal(
            study.folder / OPTUNA_JOURNAL, study.space.trained, [observe(entry) for entry in trials], name="woundgen"
        )
        yield Info(_summarise(trials))
        _end_if_time_is_up(study, generation, trials)
    return trials


def _summarise(trials: Sequence[Trial]) -> str:
    complete = [entry for entry in trials if entry.is_complete]
    best = min(complete, key=lambda entry: (entry.last.rank, entry.number))
    return (
        f"generation {trials[-1].generation + 1} is done: {len(trials)} configurations, {len(complete)} to the end; "
        f"lowest so far {best.name} {best.last.value:.4g} (a single seed: not yet shown to be better than others)"
    )


def _proposals(study: TuningStudy, generation: int, count: int, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the values of a generation: those written down, or made now and written down."""
    path = study.folder / GENERATIONS / f"{generation:03d}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        separate = [start_values(study.space, study.config, steps=study.steps)] if generation == 0 else []
        collected = separate + propose(
            study.space.trained,
            [observe(entry) for entry in trials],
            count=count - len(separate),
            seed=study.seed,
            generation=generation,
            proposals=study.layout.proposals,
        )
        write_json(path, {"proposals": collected})
    return [_hashable_values(entry, study.space.trained) for entry in read_json(path)["proposals"]]


def _hashable_values(values: Mapping[str, Any], dimensions: Sequence[Dimension]) -> dict[str, Any]:
    return {entry.key: tuple(v) if isinstance(v := values[entry.key], list) else v for entry in dimensions}


def _run_generation(
    study: TuningStudy,
    team: Team,
    generation: int,
    proposals: Sequence[Mapping[str, Any]],
    *,
    first: int,
    report: Report,
) -> list[Trial]:
    """Train all to the first rung, the better half to the next. The starting config goes to the end in any case."""
    numbers = range(first, first + len(proposals))
    results: dict[int, list[UnitResult]] = {number: [] for number in numbers}
    alive = list(numbers)
    for rung in range(len(RUNGS)):
        units = [search_unit(study, number, proposals[number - first], rung) for number in alive]
        for number, result in zip(alive, team.run(units, report), strict=True):
            results[number].append(result)
        if rung + 1 < len(RUNGS):
            remaining = survivors([results[number][-1].rank for number in alive], keep=-(-len(alive) // 2))
            alive = [number for place, number in enumerate(alive) if place in remaining or number == START]
    return [Trial(number, generation, proposals[number - first], tuple(results[number])) for number in numbers]


def search_unit(study: TuningStudy, number: int, values: Mapping[str, Any], rung: int) -> Unit:
    """Return the unit of a trial up to a rung."""
    is_last = rung + 1 == len(RUNGS)
    drawing, images = dict(study.space.drawn), study.images
    if not is_last:
        drawing = {key: items[:1] for key, items in drawing.items()}
        images = pruning_images(study.images, kind=study.objective)
    return Unit(
        name=f"{trial_name(number)}_rung_{rung + 1}",
        run=trial_name(number),
        settings=settings_for(study.space, values, study.config),
        seed=study.config.seed,
        share=RUNGS[rung],
        drawing=drawing,
        side=SELECTION,
        photographs=study.images,
        images=images,
        draw_seed=study.seed,
        keeps=is_last,
    )


def pruning_images(images: int, *, kind: Kind) -> int:
    """Return how many images decide before the last rung; images: of a whole measurement."""
    return min(images, PRUNING * screening_images(images, kind=kind))


def count_images(drawn: Mapping[str, Sequence[Any]], images: int, *, kind: Kind) -> list[int]:
    """Return how many images are drawn at each rung, about. images: of a whole measurement."""
    few, swept = screening_images(images, kind=kind), count_measured(drawn)
    last = swept * few + MEASURED_WHOLE * (images - few) if swept > 1 else images
    return [pruning_images(images, kind=kind)] * (len(RUNGS) - 1) + [last]


def observe(trial: Trial) -> Observation:
    """Return a trial as later proposals see it."""
    return Observation(
        trial.values,
        tuple(entry.value for entry in trial.results),
        trial.last.violations,
        pruned=not trial.is_complete,
    )


def _is_ended(study: TuningStudy, generation: int) -> bool:
    path = study.folder / SEARCH_END
    return path.exists() and generation > read_json(path)["after_generation"]


def _end_if_time_is_up(study: TuningStudy, generation: int, trials: Sequence[Trial]) -> None:
    """Write down that the search ends here, so that a later start makes the same trials."""
    if study.seconds is None or (study.folder / SEARCH_END).exists():
        return
    spent = sum(entry.last.seconds["training"] + sum(r.seconds["drawing"] for r in entry.results) for entry in trials)
    if spent > study.seconds:
        write_json(study.folder / SEARCH_END, {"after_generation": generation, "seconds": spent})
