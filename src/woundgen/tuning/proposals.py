"""Proposals of a generation by Optuna's TPE, from completed generations alone: the same whoever ran those, and how."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from woundgen.errors import UserError
from woundgen.tuning.space import Dimension

DIGITS = 3  # of a proposed number: more only look exact
CONSTRAINTS = ("recall", "copies")
STARTUP_SHARE = 3  # a third of the proposals, 4 to 10, are drawn at random before TPE models them


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial of a completed generation.

    values: of each dimension. curve: the objective at each rung reached, lower is better. violations: above 0 where a
    constraint does not hold. pruned: whether it was not trained to the end.
    """

    values: Mapping[str, Any]
    curve: tuple[float, ...]
    violations: tuple[float, ...]
    pruned: bool


def load_optuna() -> Any:
    """Return the module `optuna`, silent; UserError where it is not installed."""
    try:
        optuna = importlib.import_module("optuna")
    except ImportError:
        raise UserError("woundgen tune needs optuna, which is not installed.", "pip install 'woundgen[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def propose(
    dimensions: Sequence[Dimension],
    observed: Sequence[Observation],
    *,
    count: int,
    seed: int,
    generation: int,
    proposals: int,
) -> list[dict[str, Any]]:
    """Return `count` proposals, values by key. They depend on the arguments alone.

    proposals: of the whole study, which decides how many are drawn at random at first.
    """
    optuna = load_optuna()
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(
            seed=_seed(seed, generation),
            n_startup_trials=min(10, max(4, proposals // STARTUP_SHARE)),
            multivariate=True,
            constant_liar=True,
        )
    )
    add_observations(optuna, study, dimensions, observed)
    spaces = _distributions(optuna, dimensions)
    asked = [study.ask(spaces) for _ in range(count)]
    return [_read(dimensions, trial.params) for trial in asked]


def write_journal(path: Path, dimensions: Sequence[Dimension], observed: Sequence[Observation], *, name: str) -> None:
    """Write the trials as an Optuna journal, for optuna-dashboard: under another name, then renamed."""
    optuna = load_optuna()
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    backend = optuna.storages.journal.JournalFileBackend(str(temporary))
    study = optuna.create_study(study_name=name, storage=optuna.storages.JournalStorage(backend))
    add_observations(optuna, study, dimensions, observed)
    temporary.replace(path)


def _seed(seed: int, generation: int) -> int:
    return int.from_bytes(hashlib.sha256(f"tune/{seed}/{generation}".encode()).digest()[:4], "big")


def add_observations(optuna: Any, study: Any, dimensions: Sequence[Dimension], observed: Sequence[Observation]) -> None:
    """Add what was observed. A starting config outside of the bounds is left out: TPE could not place it."""
    spaces = _distributions(optuna, dimensions)
    for entry in observed:
        if not all(dimension.contains(entry.values[dimension.key]) for dimension in dimensions):
            continue
        states = optuna.trial.TrialState
        study.add_trial(
            optuna.trial.create_trial(
                state=states.PRUNED if entry.pruned else states.COMPLETE,
                params={dimension.key: _write(dimension, entry.values[dimension.key]) for dimension in dimensions},
                distributions=spaces,
                value=entry.curve[-1],
                intermediate_values=dict(enumerate(entry.curve)),
                constraints=dict(zip(CONSTRAINTS, entry.violations, strict=True)),
            )
        )


def _distributions(optuna: Any, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    collected = {}
    for entry in dimensions:
        if entry.choices:
            texts = [_write(entry, choice) for choice in entry.choices]
            collected[entry.key] = optuna.distributions.CategoricalDistribution(texts)
        elif entry.whole:
            collected[entry.key] = optuna.distributions.IntDistribution(int(entry.low), int(entry.high), log=entry.log)
        else:
            collected[entry.key] = optuna.distributions.FloatDistribution(entry.low, entry.high, log=entry.log)
    return collected


def _write(dimension: Dimension, value: Any) -> Any:
    """Return the value as Optuna may store it: a list of choices may hold lists, which it does not take."""
    return repr(value) if dimension.choices and isinstance(value, tuple) else value


def _read(dimensions: Sequence[Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    collected = {}
    for entry in dimensions:
        value = params[entry.key]
        if entry.choices:
            value = next(choice for choice in entry.choices if _write(entry, choice) == value)
        elif isinstance(value, float):
            value = min(max(float(f"{value:.{DIGITS}g}"), entry.low), entry.high)
        collected[entry.key] = value
    return collected
