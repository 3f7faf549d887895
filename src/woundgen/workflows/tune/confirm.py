"""After the search: leaders are repeated with other seeds, the first three confirmed on patients that chose nothing.

Comparisons are paired: row s of every configuration is a training with the same seed, drawn from with the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file

from woundgen.tuning.budget import CONFIRMED, SEEDS
from woundgen.tuning.conclusion import Conclusion, conclude, indistinguishable
from woundgen.tuning.confirmation import Array, StartDifference, compare_with_start, measure_sets
from woundgen.tuning.objective import choose_statistic
from woundgen.tuning.space import DRAWING, settings_for
from woundgen.workflows.tune.division import CONFIRMATION, SELECTION
from woundgen.workflows.tune.reference import StudyReferences
from woundgen.workflows.tune.search import START, Trial
from woundgen.workflows.tune.study import TuningStudy
from woundgen.workflows.tune.unit import Unit, UnitResult, result_path
from woundgen.workflows.tune.workers import Report, Team

REPEAT_SEED, CONFIRM_SEED = 1, 101  # first of the seeds, over the config's: apart from those of the search
STARTING = "start"


@dataclass(frozen=True, slots=True)
class Leader:
    """A complete trial with its repeats. value: mean over its seeds."""

    trial: Trial
    repeats: tuple[UnitResult, ...]

    @property
    def value(self) -> float:
        """Mean of the objective over seeds."""
        return float(np.mean([self.trial.last.value, *(entry.value for entry in self.repeats)]))

    @property
    def rank(self) -> tuple[float, ...]:
        """Constraints first, as a mean over seeds, then the value."""
        broken = [entry.rank[0] for entry in (self.trial.last, *self.repeats)]
        return (float(np.mean(broken)), self.value)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """arms: results of each configuration by name, the starting config first. differences: of the others from it."""

    arms: dict[str, tuple[UnitResult, ...]]
    differences: dict[str, StartDifference]
    conclusion: Conclusion


def repeat_leaders(study: TuningStudy, team: Team, trials: Sequence[Trial], *, report: Report) -> list[Leader]:
    """Train the leaders again with other seeds; return all complete trials, leaders first, in order of their mean."""
    complete = sorted(
        (entry for entry in trials if entry.is_complete), key=lambda entry: (entry.last.rank, entry.number)
    )
    leading, rest = complete[: study.layout.leaders], complete[study.layout.leaders :]
    units = [_repeat(study, entry, number) for entry in leading for number in range(study.layout.repeats)]
    results = team.run(units, report) if units else []
    per = study.layout.repeats
    leaders = [Leader(entry, tuple(results[place * per : (place + 1) * per])) for place, entry in enumerate(leading)]
    leaders.sort(key=lambda entry: (entry.rank, entry.trial.number))
    return leaders + [Leader(entry, ()) for entry in rest]


def _repeat(study: TuningStudy, trial: Trial, number: int) -> Unit:
    return _unit(
        study, f"{trial.name}_seed_{number + 1}", trial, seed=REPEAT_SEED + number, side=SELECTION, images=study.images
    )


def _unit(study: TuningStudy, name: str, trial: Trial, *, seed: int, side: str, images: int) -> Unit:
    """Return a training of a trial's configuration to its end, drawn with what its sweep chose."""
    return Unit(
        name=name,
        run=name,
        settings=settings_for(study.space, trial.values, study.config),
        seed=study.config.seed + seed,
        share=1.0,
        drawing={key: (trial.last.drawing[key],) for key in DRAWING},
        side=side,
        photographs=images,
        images=images,
        draw_seed=study.seed + seed,
        keeps=True,
    )


def compare_leaders(study: TuningStudy, references: StudyReferences, leaders: Sequence[Leader]) -> list[str]:
    """Return the leaders that the first is not shown to be better than on the selection patients.

    Without repeats nothing is known of seeds, and all are returned.
    """
    repeated = [entry for entry in leaders if entry.repeats]
    if len(repeated) < 2:
        return [entry.trial.name for entry in leaders[1:]]
    drawn = [[read_features(study, result.name) for result in (entry.trial.last, *entry.repeats)] for entry in repeated]
    side = references.side(SELECTION, study.images)
    measured = measure_sets(
        choose_statistic(study.objective), drawn, references.side_features(SELECTION, study.images), groups=side.groups
    )
    collected = compare_with_start(measured, comparisons=len(repeated) - 1)
    return list(
        indistinguishable({entry.trial.name: other for entry, other in zip(repeated[1:], collected, strict=True)})
    )


def read_features(study: TuningStudy, name: str) -> Array:
    """Return the features [n, d] of the images that a unit drew."""
    return np.asarray(load_file(result_path(study.folder, name).with_suffix(".safetensors"))["features"])


def confirm(
    study: TuningStudy, team: Team, references: StudyReferences, leaders: Sequence[Leader], *, report: Report
) -> Confirmed | None:
    """Train the first three and the starting config with fresh seeds; compare on the confirmation patients alone.

    None where there is no candidate but the starting config.
    """
    candidates = [entry.trial for entry in leaders if entry.trial.number != START][:CONFIRMED]
    if not candidates:
        return None
    names = [STARTING, *(entry.name for entry in candidates)]
    units = [
        confirming_unit(study, name, trial, number)
        for name, trial in zip(names, [None, *candidates], strict=True)
        for number in range(SEEDS)
    ]
    results = team.run(units, report)
    arms = {name: tuple(results[place * SEEDS : (place + 1) * SEEDS]) for place, name in enumerate(names)}
    side = references.side(CONFIRMATION, study.confirmation_images)
    measured = measure_sets(
        choose_statistic(study.objective),
        [[read_features(study, result.name) for result in arm] for arm in arms.values()],
        references.side_features(CONFIRMATION, study.confirmation_images),
        groups=side.groups,
    )
    collected = compare_with_start(measured, comparisons=CONFIRMED)
    differences = dict(zip(names[1:], collected, strict=True))
    conclusion = conclude(
        differences,
        start=float(measured.values[0].mean()),
        floor=study.confirmation_floor,
        metric=study.objective.upper(),
        patients=len(set(side.groups)),
        n=len(side.groups),
    )
    return Confirmed(arms, differences, conclusion)


def confirming_unit(study: TuningStudy, name: str, trial: Trial | None, number: int) -> Unit:
    """Return a training that confirms; trial None is the starting config, drawn with its recorded settings.

    It is drawn in no more sampler steps than the others: more gained nothing, and cost the most of a confirmation.
    """
    seed, unit_name = CONFIRM_SEED + number, f"confirm_{name}_seed_{number + 1}"
    if trial is not None:
        return _unit(study, unit_name, trial, seed=seed, side=CONFIRMATION, images=study.confirmation_images)
    sampling = study.config.sampling
    drawing = {
        "guidance_scale": sampling.guidance_scale,
        "weights": "ema" if study.config.averaging.ema else "raw",
        "guidance_interval": (0.0, 1.0),
        "inference_steps_production": start_steps(study),
    }
    return Unit(
        name=unit_name,
        run=unit_name,
        settings={},
        seed=study.config.seed + seed,
        share=1.0,
        drawing={key: (value,) for key, value in drawing.items()},
        side=CONFIRMATION,
        photographs=study.confirmation_images,
        images=study.confirmation_images,
        draw_seed=study.seed + seed,
        keeps=True,
    )


def start_steps(study: TuningStudy) -> int:
    """Return the sampler steps that the starting config is drawn in."""
    return min(study.config.sampling.steps, max(study.space.drawn["inference_steps_production"]))
