"""Say what a study will do before it begins: patients, space, trials, time."""

from __future__ import annotations

from collections.abc import Iterator

from woundgen.events import Info, Warn
from woundgen.numbers import write_compact
from woundgen.tuning.budget import CONFIRMED, RUNGS, SEEDS
from woundgen.workflows.tune.begin import Begun
from woundgen.workflows.tune.confirm import start_steps

GIB = 1 << 30
CROWDED = 0.7  # share of its processors: where a process gets less, others slow it down
FEWEST_PATIENTS = 8  # of confirmation: below, an interval over patients is hardly worth anything


def announce_plan(begun: Begun) -> Iterator[Info | Warn]:
    """Yield the plan, a line each, and what it warns of."""
    yield from map(Info, _plan_lines(begun))
    yield from map(Warn, _warnings(begun))


def _plan_lines(begun: Begun) -> Iterator[str]:
    study, division = begun.study, begun.division
    sides = ", ".join(f"{name} {photos} ({groups})" for name, (photos, groups) in division.sides.items())
    sealed = f"; {division.sealed} sealed ones are left out" if division.sealed else ""
    yield f"photographs  {sides} (patients or groups in brackets){sealed}"
    layout = study.layout
    yield (
        f"search       {layout.proposals} configurations in generations of {', '.join(map(str, layout.generations))}; "
        f"after {RUNGS[0]:.0%} of the steps the better half goes on"
    )
    if layout.leaders:
        yield f"repeats      the best {layout.leaders} again, with {layout.repeats} other seed(s)"
    yield (
        f"confirmation on top: the winner, the {CONFIRMED - 1} next and the starting config, {SEEDS} fresh seeds each "
        f"({SEEDS * (CONFIRMED + 1)} trainings), on patients that chose nothing"
    )
    yield f"objective    {study.objective.upper()} of {study.images} images and photographs, lower is better"
    yield f"             {_constraints(begun)}"
    for dimension in study.space.trained:
        yield f"searched     {dimension.key}: {dimension.describe()}"
    for key, values in study.space.drawn.items():
        word = "swept" if len(values) > 1 else "drawn with"
        yield f"{word:12} {key}: {', '.join(str(value) for value in values)}"
    if start_steps(study) < study.config.sampling.steps:
        yield (
            f"             (the starting config, too, in {start_steps(study)} sampler steps in place of "
            f"{study.config.sampling.steps}; more gained nothing)"
        )
    if begun.estimate is not None:
        e = begun.estimate
        yield (
            f"time         about {duration(e.trial)} a trial: {duration(e.search)} for the search and "
            f"{duration(e.confirmation)} for the confirmation, more where others use this machine"
        )
        if e.share < CROWDED:
            yield (
                f"             (it got {e.share:.0%} of its processors while that was measured; alone on the machine a "
                f"trial takes {duration(e.share * e.trial)} or somewhat more)"
            )
        yield f"disk         {e.disk_bytes / GIB:.2f} GiB at most of {e.free_bytes / GIB:.0f} GiB free"
    elif not begun.goes_on:
        yield "time, disk   not estimated (probe_steps: 0)"


def _warnings(begun: Begun) -> Iterator[str]:
    division = begun.division
    if begun.estimate is not None and begun.estimate.disk_bytes > begun.estimate.free_bytes:
        yield "the disk will not hold it; give fewer trials, or a smaller lora_rank"
    if division.deviation:
        yield f"the division is off its shares: {division.deviation}"
    if division.sides["confirmation"][1] < FEWEST_PATIENTS:
        yield (
            f"{division.sides['confirmation'][1]} confirmation patients are few: "
            '"too little data" is the answer to expect'
        )


def _constraints(begun: Begun) -> str:
    """Return the value that photographs have themselves and what a trial has to hold, both from photographs."""
    study = begun.study
    if begun.planned_alone:
        return "what photographs reach themselves, the recall and the copies to hold are measured when the study begins"
    held = study.constraints(study.images)
    recall = "recall not held" if held.least_recall is None else f"recall {held.least_recall:.2f} or more"
    copies = "copies not looked for" if held.most_copies is None else f"{held.most_copies} copies at most"
    return f"photographs themselves: {write_compact(study.floor)}; to hold: {recall}, {copies}"


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best."""
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
