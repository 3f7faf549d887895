"""How much each searched setting decided, by fANOVA (Hutter et al. 2014) as Optuna has it, and how unsure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from woundgen.tuning.proposals import Observation, add_observations, load_optuna
from woundgen.tuning.space import Dimension

RESAMPLES = 20
TREES = 16
FEWEST = 6  # configurations: below, no share of their variance means anything


@dataclass(frozen=True, slots=True)
class Importance:
    """Share of the variance of the objective. low, high: 5 to 95 % over resampled trials."""

    key: str
    value: float
    low: float
    high: float


def measure_importance(
    dimensions: Sequence[Dimension], observed: Sequence[Observation], *, seed: int = 0
) -> list[Importance]:
    """Return the importance of each dimension for the first value of every trial, largest first; [] for few trials.

    The first value is of the first rung, which all trials have reached, so that none is left out for being pruned.
    """
    inside = [
        Observation(entry.values, entry.curve[:1], entry.violations, pruned=False)
        for entry in observed
        if all(dimension.contains(entry.values[dimension.key]) for dimension in dimensions)
    ]
    if len(inside) < FEWEST or len(dimensions) < 2:
        return []
    values = _shares(dimensions, inside, seed)
    rng = np.random.default_rng(seed)
    resampled = [
        _shares(dimensions, [inside[row] for row in rng.integers(0, len(inside), len(inside))], seed)
        for _ in range(RESAMPLES)
    ]
    collected = []
    for entry in dimensions:
        low, high = np.quantile([shares[entry.key] for shares in resampled], (0.05, 0.95))
        collected.append(Importance(entry.key, values[entry.key], float(low), float(high)))
    return sorted(collected, key=lambda entry: -entry.value)


def _shares(dimensions: Sequence[Dimension], observed: Sequence[Observation], seed: int) -> dict[str, float]:
    """Return the shares by key; all 0 where every trial of the sample has the same value."""
    if len({entry.curve[0] for entry in observed}) < 2:
        return {entry.key: 0.0 for entry in dimensions}
    optuna = load_optuna()
    study = optuna.create_study()
    add_observations(optuna, study, dimensions, observed)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
    collected = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {entry.key: float(collected.get(entry.key, 0.0)) for entry in dimensions}
