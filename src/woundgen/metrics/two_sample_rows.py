"""The two-sample test as rows of the results table, and the patches that gave generated images away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from woundgen.events import Progress, Work
from woundgen.metrics.checks import check_enough
from woundgen.metrics.floor import equal_n
from woundgen.metrics.rows import row
from woundgen.metrics.two_sample import (
    FOLDS,
    Fit,
    HeldOutPredictions,
    Images,
    SampleSide,
    Task,
    Verdicts,
    cross_fit_tasks,
    permutation_p,
    permutation_tasks,
    plan_comparisons,
    put_together,
    telltale_patches,
)
from woundgen.metrics.two_sample_network import crop_side, fit_and_judge, patch_corners
from woundgen.records import MetricValue
from woundgen.similarity.groups import Groups

NAME = "two_sample"
SHOWN = 24  # patches of either side


@dataclass(frozen=True, slots=True)
class Patches:
    """uint8 [K, C, C, 3] with the logit of each: those that the classifiers were surest of, of either side."""

    generated: Images
    generated_logits: tuple[float, ...]
    photographs: Images
    photograph_logits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TwoSample:
    """rows: the value, its floor, and its ceiling where there is one."""

    rows: list[MetricValue]
    patches: Patches


def measure_two_sample(
    generated: Images,
    real: Images,
    *,
    real_groups: Groups | None = None,
    through: Images | None = None,
    permutations: int = 0,
    seed: int = 0,
    fit: Fit = fit_and_judge,
) -> Work[TwoSample]:
    """Of uint8 [N, S, S, 3] against [M, S, S, 3], with as many images a side as two disjoint halves hold.

    through [M, S, S, 3]: photographs after the autoencoder, for the ceiling. permutations: of the labels, each
    with FOLDS fits of its own, for a p-value of the smallest size 1 / (1 + permutations); 0 leaves it out.
    Raises UserError for too few images.
    """
    n = equal_n(len(generated), len(real), real_groups)
    check_enough((NAME,), n)
    planned = plan_comparisons(generated, real, n=n, real_groups=real_groups, through=through, seed=seed)
    jobs = {label: _tasks_of(comparisons, seed) for label, comparisons in planned.items()}
    shuffled = (
        permutation_tasks(generated, real, permutations=permutations, real_groups=real_groups, seed=seed)
        if permutations
        else []
    )
    tasks = [task for some in [*jobs.values(), *shuffled] for task in some]
    verdicts = iter((yield from run_tasks(tasks, fit)))
    found = {label: put_together(some, [next(verdicts) for _ in some]) for label, some in jobs.items()}
    p = permutation_p([put_together(some, [next(verdicts) for _ in some]).accuracy() for some in shuffled] or [0.0])
    told = f"permutation p = {p:.3g}, {permutations} refits of one image a patient" if shuffled else "no p asked for"
    trained = round(n * (FOLDS - 1) / FOLDS)
    rows = [_row(held_out, label, trained, told if label == "" else "") for label, held_out in found.items()]
    return TwoSample(rows, _patches(found[""], generated, real))


def run_tasks(tasks: Sequence[Task], fit: Fit) -> Work[list[Verdicts]]:
    """The verdicts in the order of `tasks`; a fit a processor at a time, each with one thread of torch's.

    So neither the number of processors nor that of threads changes a result.
    """
    threads = torch.get_num_threads()
    verdicts: list[Verdicts] = []
    with ThreadPoolExecutor(_processors(), initializer=torch.set_num_threads, initargs=(1,)) as workers:
        try:
            for verdict in workers.map(lambda task: task.run(fit), tasks):
                verdicts.append(verdict)
                yield Progress(len(verdicts), len(tasks), "classifiers of the two-sample test")
        finally:
            torch.set_num_threads(threads)
    return verdicts


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _tasks_of(comparisons: Sequence[tuple[SampleSide, SampleSide]], seed: int) -> list[Task]:
    return [task for number, sides in enumerate(comparisons) for task in cross_fit_tasks(sides, seed=seed + number)]


def _row(held_out: HeldOutPredictions, label: str, trained: int, told: str) -> MetricValue:
    found = held_out.interval()
    text = "; ".join([found.text, f"trained on about {trained} a side", *([told] if told else [])])
    n = int(held_out.first.sum()), int((~held_out.first).sum())
    return row(NAME, replace(found, text=text), n, None, label)


def _patches(held_out: HeldOutPredictions, generated: Images, real: Images) -> Patches:
    def cut(images: Images, first: bool) -> tuple[Images, tuple[float, ...]]:
        side = images.shape[1]
        size, corners = crop_side(side), patch_corners(side)
        chosen = telltale_patches(held_out, first=first, count=SHOWN)
        crops = [images[row, y : y + size, x : x + size] for row, patch, _ in chosen for y, x in [corners[patch]]]
        return np.stack(crops), tuple(value for _, _, value in chosen)

    return Patches(*cut(generated, True), *cut(real, False))
