"""The record of a study that its pages are made of: plain values, no path and no photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from woundgen.numbers import write_compact
from woundgen.storage.files import read_jsonl
from woundgen.storage.names import EVAL_LOG
from woundgen.tuning.budget import RUNGS
from woundgen.tuning.conclusion import classify_difference
from woundgen.tuning.importance import measure_importance
from woundgen.tuning.objective import screening_images
from woundgen.tuning.space import DRAWING, settings_for
from woundgen.workflows.tune.begin import Begun
from woundgen.workflows.tune.confirm import Confirmed, Leader
from woundgen.workflows.tune.search import START, Trial, observe, pruning_images, trial_name
from woundgen.workflows.tune.study import TuningStudy
from woundgen.workflows.tune.unit import RUNS

DRAW_OPTIONS = {"weights": "--weights", "guidance_interval": "--guidance-low and --guidance-high"}
NO_CANDIDATE = "The search has no candidate but the starting config: no other trial was trained to its end."


@dataclass(frozen=True, slots=True)
class Findings:
    """leaders: all complete trials, best first. alike: leaders that the first is not shown to be better than."""

    begun: Begun
    trials: Sequence[Trial]
    leaders: Sequence[Leader]
    alike: Sequence[str]
    confirmed: Confirmed | None

    @property
    def sentence(self) -> str:
        """The conclusion in a sentence."""
        return NO_CANDIDATE if self.confirmed is None else self.confirmed.conclusion.sentence

    @property
    def chosen(self) -> Trial | None:
        """The trial that tuned.yaml holds."""
        if self.confirmed is None:
            return None
        return next(entry for entry in self.trials if entry.name == self.confirmed.conclusion.chosen)


def tuned_settings(study: TuningStudy, trial: Trial) -> dict[str, Any]:
    """Return the settings of a trial that differ from the starting config's by flat name, drawing included."""
    flat = study.config.flat()
    collected = settings_for(study.space, trial.values, study.config)
    drawing = trial.last.drawing
    collected |= {key: drawing[key] for key in ("guidance_scale", "inference_steps_production")}
    collected |= {"early_stopping_patience": 0}  # trials were trained to their last step
    return {key: value for key, value in collected.items() if flat[key] != value}


def build_record(findings: Findings) -> dict[str, Any]:
    """Return what the pages show."""
    study, chosen = findings.begun.study, findings.chosen
    observed = [observe(entry) for entry in findings.trials]
    return {
        "sentence": findings.sentence,
        "kind": None if findings.confirmed is None else findings.confirmed.conclusion.kind,
        "metric": study.objective.upper(),
        "chosen": "" if chosen is None else chosen.name,
        "design": _design(findings),
        "changes": [] if chosen is None else _changes(study, findings.trials[START], chosen),
        "changes_note": "" if chosen is None else _changes_note(findings, chosen),
        "confirmation": [] if findings.confirmed is None else _confirmation(study, findings.confirmed),
        "confirmation_n": study.confirmation_images,
        "leaders": [_leader(entry) for entry in findings.leaders],
        "leaders_note": _leaders_note(findings),
        "space": [entry.to_json() for entry in study.space.trained],
        "trials": [_trial(study, entry) for entry in findings.trials],
        "importance": [asdict(entry) for entry in measure_importance(study.space.trained, observed, seed=study.seed)],
        "commands": [],
    }


def _design(findings: Findings) -> list[str]:
    study, division = findings.begun.study, findings.begun.division
    sides = "; ".join(f"{name} {photos} photographs of {groups}" for name, (photos, groups) in division.sides.items())
    sealed = f" {division.sealed} sealed photographs took no part." if division.sealed else ""
    lines = [
        f"Patients (or groups) were divided once: {sides}.{sealed}",
        f"{len(findings.trials)} configurations, half of each generation trained on after {RUNGS[0]:.0%} of its steps; "
        f"{sum(entry.is_complete for entry in findings.trials)} trained to the end. {trial_name(START)} is the "
        "starting config, swept as the others are.",
        f"Objective: {study.objective.upper()} of {study.images} images against as many selection photographs, on the "
        f"same seeds in every trial. Photographs of training patients have {write_compact(study.floor)} themselves.",
        _screening(study),
        _constraints(study),
        "All trials are trained to their last step, without early stopping, on the training patients alone.",
    ]
    return lines


def _screening(study: TuningStudy) -> str:
    """Say how many images the first rung and the sweep of draw-time settings look at."""
    few, pruning = (count(study.images, kind=study.objective) for count in (screening_images, pruning_images))
    return (
        f"The first rung decides on {pruning} images with the preferred draw-time settings; after the last, draw-time "
        f"settings are swept on {few} images, and the two lowest drawings measured on all {study.images} (phases "
        "have whole blocks of 16)."
    )


def _constraints(study: TuningStudy) -> str:
    held = study.constraints(study.images)
    recall = "recall is not held" if held.least_recall is None else f"recall of at least {held.least_recall:.2f}"
    if held.most_copies is None:
        return f"Constraints: {recall}; copies are not looked for, these photographs support no ceiling."
    return (
        f"Constraints: {recall}; at most {held.most_copies} of {study.images} images in more than {study.copy_ceiling} "
        f"places like a single training photograph (expected of other patients' photographs: {study.copy_rate:.1%})."
    )


def _leaders_note(findings: Findings) -> str:
    if not findings.leaders:
        return "No trial was trained to its end."
    first = findings.leaders[0].trial.name
    if findings.leaders[0].rank[0] > 0:
        return f"No trial that was trained to its end held the constraints; {first} misses them least."
    if not findings.leaders[0].repeats:
        return f"A single training each: {first} is the lowest, and not shown to be better than any other."
    alike = ", ".join(findings.alike)
    return (
        f"{first} is not shown to be better than {alike} on the selection patients."
        if alike
        else f"{first} is better than the other repeated leaders on the selection patients."
    )


def _changes(study: TuningStudy, start: Trial, trial: Trial) -> list[dict[str, Any]]:
    """Return what differs from the starting config, whose steps are those that its epochs came to."""
    before = study.config.flat() | settings_for(study.space, start.values, study.config)
    rows = [{"key": key, "start": before[key], "tuned": value} for key, value in tuned_settings(study, trial).items()]
    drawing = trial.last.drawing
    rows += [
        {"key": f"woundgen generate {option}", "start": "as the run records", "tuned": drawing[key]}
        for key, option in DRAW_OPTIONS.items()
    ]
    return rows


def _changes_note(findings: Findings, chosen: Trial) -> str:
    """Say how far the starting config's own training comes with other draw-time settings."""
    values = {entry.trial.name: entry.value for entry in findings.leaders}
    start, metric = trial_name(START), findings.begun.study.objective.upper()
    if start not in values or chosen.name not in values:
        return ""
    return (
        f"What drawing alone does: {start} is trained as the starting config says, its draw-time settings are swept as "
        f"the other trials' are. On {findings.begun.study.images} selection photographs it has {metric} "
        f"{write_compact(values[start])}, {chosen.name} {write_compact(values[chosen.name])} (no interval; seeds "
        "of each stand below)."
    )


def _confirmation(study: TuningStudy, confirmed: Confirmed) -> list[dict[str, Any]]:
    rows = []
    start = float(np.mean([entry.value for entry in next(iter(confirmed.arms.values()))]))
    for name, results in confirmed.arms.items():
        difference = confirmed.differences.get(name)
        values = [entry.value for entry in results]
        shown = ""
        if difference is not None:
            shown = classify_difference(difference, start=start, floor=study.confirmation_floor)
        rows.append(
            {
                "name": name,
                "values": values,
                "mean": float(np.mean(values)),
                "recall": [entry.points[entry.best].recall for entry in results],
                "copies": None if results[0].copies is None else sum(entry.copies or 0 for entry in results),
                "two_sample": [entry.two_sample for entry in results],
                "violated": any(max(entry.violations) > 0 for entry in results),
                "difference": None if difference is None else difference.to_json(),
                "shown": shown,
            }
        )
    return rows


def _leader(leader: Leader) -> dict[str, Any]:
    values = [leader.trial.last.value, *(entry.value for entry in leader.repeats)]
    drawing = {key: leader.trial.last.drawing[key] for key in DRAWING}
    return {"name": leader.trial.name, "mean": leader.value, "values": values, "drawing": drawing}


def _trial(study: TuningStudy, trial: Trial) -> dict[str, Any]:
    best = trial.last.points[trial.last.best]
    return {
        "name": trial.name,
        "generation": trial.generation,
        "values": dict(trial.values),
        "settings": settings_for(study.space, trial.values, study.config),
        "curve": [entry.value for entry in trial.results],
        "rungs": [[share, entry.value] for share, entry in zip(RUNGS, trial.results, strict=False)],
        "losses": _losses(study, trial),
        "recall": best.recall,
        "copies": trial.last.copies,
        "violated": max(trial.last.violations) > 0,
        "complete": trial.is_complete,
        "drawing": {key: trial.last.drawing[key] for key in DRAWING},
        "steps": trial.last.steps,
        "seconds": dict(trial.last.seconds),
    }


def _losses(study: TuningStudy, trial: Trial) -> list[list[float]]:
    """Return (share of the steps, validation loss) of the weights that lead, from the run's log."""
    total = round(trial.results[0].steps / RUNGS[0]) if not trial.is_complete else trial.last.steps
    collected: dict[int, float] = {}
    for row in read_jsonl(study.folder / RUNS / trial.name / EVAL_LOG):
        for value in row["metrics"]:
            if value["metric"] == "val_loss" and not value["label"]:
                collected[row["step"]] = value["value"]  # ema follows raw, where it is on
    return [[step / max(1, total), loss] for step, loss in sorted(collected.items())]
