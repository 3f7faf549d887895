"""All arms, seeds and folds of a study: which fits there are, and their predictions put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from woundgen.downstream.arms import Material, Rows, training_lists

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fold:
    """material: what may be trained on; test: rows of the bank that this fold predicts."""

    material: Material
    test: Rows


@dataclass(frozen=True, slots=True)
class Fit:
    """One training: `rows` of the bank with `labels`, repeats as they are; then predict `query`."""

    fold: int
    seed: int
    arm: str
    rows: Rows
    labels: npt.NDArray[np.intp]
    query: Rows


Train = Callable[[Fit], Array]  # → probabilities [len(query), K]


def fits(folds: Sequence[Fold], *, doses: Sequence[float], seeds: int, phases: Sequence[str]) -> Iterator[Fit]:
    for number, fold in enumerate(folds):
        for seed in range(seeds):
            lists = training_lists(fold.material, doses=doses, seed=seed)
            for arm, by_phase in lists.items():
                yield make_fit(number, seed, arm, by_phase, phases=phases, query=fold.test)


def make_fit(
    fold: int, seed: int, arm: str, by_phase: Mapping[str, Rows], *, phases: Sequence[str], query: Rows
) -> Fit:
    rows = np.concatenate([by_phase[phase] for phase in phases])
    labels = np.repeat(np.arange(len(phases)), [len(by_phase[phase]) for phase in phases])
    return Fit(fold, seed, arm, rows, labels, query)


def put_together(done: Sequence[tuple[Fit, Array]], *, folds: int, seeds: int) -> dict[str, Array]:
    """Arm → probabilities [S, T, K], the folds' test rows one after the other."""
    parts: dict[str, dict[tuple[int, int], Array]] = {}
    for fit, probabilities in done:
        parts.setdefault(fit.arm, {})[fit.seed, fit.fold] = probabilities
    return {
        arm: np.stack([np.concatenate([found[seed, fold] for fold in range(folds)]) for seed in range(seeds)])
        for arm, found in parts.items()
    }
