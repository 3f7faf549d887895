"""All trainings of a study of utility: planned, spread over the processors, put together and concluded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from woundgen.downstream.arms import REAL
from woundgen.downstream.assess import Array, HeldOut
from woundgen.downstream.choice import BOUNDARY, REALISM, boundary_score, by_phase, choice_dose, choose, chosen, pool_of
from woundgen.downstream.conclude import UtilityConclusion, conclude
from woundgen.downstream.run import Fit, Fold, Train, fits, make_fit, put_together
from woundgen.events import Progress, Work
from woundgen.screening.statistics import realism, sphere_radii
from woundgen.similarity.groups import group_codes
from woundgen.similarity.neighbours import euclidean_distances
from woundgen.workflows.utility.classifiers import Features

Done = list[tuple[Fit, Array]]


def run_study(
    folds: Sequence[Fold],
    train: Train,
    test: HeldOut,
    *,
    features: Features,
    groups: Sequence[str],
    doses: Sequence[float],
    seeds: int,
) -> Work[UtilityConclusion]:
    """features: of every row of the bank, for the choice by realism. groups: of its photographs."""
    planned = list(fits(folds, doses=doses, seeds=seeds, phases=test.phases))
    dose = choice_dose(doses, [fold.material for fold in folds])
    ticker = _Ticker(len(planned) + (3 * seeds * len(folds) if dose is not None else 0))
    done = yield from train_all(planned, train, ticker)
    if dose is not None:
        asked = yield from train_all(list(_what_real_says(folds, seeds=seeds, phases=test.phases)), train, ticker)
        likely = {(fit.fold, fit.seed): found for fit, found in asked}
        real_like = [realism_of(fold, features, groups) for fold in folds]
        done += yield from train_all(
            list(_picked(folds, likely, real_like, dose=dose, phases=test.phases)), train, ticker
        )
    predictions = put_together(done, folds=len(folds), seeds=seeds)
    return conclude(predictions, test, doses=doses, choice=dose)


def _what_real_says(folds: Sequence[Fold], *, seeds: int, phases: Sequence[str]) -> Iterator[Fit]:
    """The arm `real`, asked about the synthetic images."""
    for number, fold in enumerate(folds):
        for seed in range(seeds):
            query = pool_of(fold.material.synthetic)
            yield make_fit(number, seed, REAL, fold.material.real, phases=phases, query=query)


def _picked(
    folds: Sequence[Fold],
    likely: Mapping[tuple[int, int], Array],
    real_like: Sequence[Mapping[str, Array]],
    *,
    dose: float,
    phases: Sequence[str],
) -> Iterator[Fit]:
    """The arms with chosen images, by either rule."""
    for (number, seed), probabilities in likely.items():
        material = folds[number].material
        edge = by_phase(boundary_score(probabilities), material.synthetic)
        for rule, score in ((REALISM, real_like[number]), (BOUNDARY, edge)):
            lists = choose(material, score, dose=dose)
            yield make_fit(number, seed, chosen(rule, dose), lists, phases=phases, query=folds[number].test)


def realism_of(fold: Fold, features: Features, groups: Sequence[str]) -> dict[str, Array]:
    """Phase → realism of each synthetic image among the phase's training photographs, as screening takes it."""
    scores = {}
    for phase, pool in fold.material.synthetic.items():
        real = fold.material.real[phase]
        own, codes = features[real], group_codes([groups[row] for row in real], len(real))
        radii = sphere_radii(euclidean_distances(own, own), codes, k=min(3, len(real)))
        apart = np.ones((len(pool), len(real)), bool)
        scores[phase] = realism(euclidean_distances(features[pool], own), radii, apart=apart)
    return scores


@dataclass(slots=True)
class _Ticker:
    total: int
    done: int = 0

    def tick(self) -> Progress:
        self.done += 1
        return Progress(self.done, self.total, "classifiers trained")


def train_all(planned: Sequence[Fit], train: Train, ticker: _Ticker) -> Work[Done]:
    """One fit a processor at a time. (Threads: array code, convolutions and commands let one another run.)"""
    found: dict[int, Array] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        waiting = {workers.submit(train, fit): number for number, fit in enumerate(planned)}
        try:
            for future in as_completed(waiting):
                found[waiting[future]] = future.result()
                yield ticker.tick()
        except BaseException:  # of the user's command, or Ctrl-C: what waits need not run
            workers.shutdown(wait=False, cancel_futures=True)
            raise
    return [(fit, found[number]) for number, fit in enumerate(planned)]
