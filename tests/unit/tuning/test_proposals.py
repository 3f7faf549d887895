"""Proposals depend on seed, generation and completed generations alone, and Optuna learns from what it is told."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from woundgen.errors import UserError
from woundgen.tuning import proposals
from woundgen.tuning.importance import measure_importance
from woundgen.tuning.proposals import Observation, propose, write_journal
from woundgen.tuning.space import Dimension

SPACE = (
    Dimension("learning_rate", 1e-5, 1e-3, log=True),
    Dimension("max_steps", 50, 200, log=True, whole=True),
    Dimension("min_snr_gamma", choices=(None, 5.0)),
    Dimension("sides", choices=((1, 2), (3, 4))),
)


def observe(values: dict[str, object], *, pruned: bool = False, violation: float = 0.0) -> Observation:
    rate = values["learning_rate"]
    assert isinstance(rate, float)
    return Observation(values, (rate * 1000,), (violation, 0.0), pruned)


def search(generations: int, *, seed: int) -> list[list[dict[str, object]]]:
    found: list[list[dict[str, object]]] = []
    for generation in range(generations):
        seen = [observe(values, pruned=place > 1) for one in found for place, values in enumerate(one)]
        found.append(propose(SPACE, seen, count=4, seed=seed, generation=generation, proposals=24))
    return found


def test_the_same_history_gives_the_same_proposals() -> None:
    first = search(4, seed=1)
    assert search(4, seed=1) == first
    assert search(4, seed=2) != first
    flat = [str(values) for one in first for values in one]
    assert len(set(flat)) == len(flat), "within a generation, too"
    for values in (values for one in first for values in one):
        assert all(dimension.contains(values[dimension.key]) for dimension in SPACE)
        assert isinstance(values["max_steps"], int)
        assert isinstance(values["sides"], tuple)


def test_later_generations_look_where_it_was_low() -> None:
    """The objective is the rate itself: after 20 trials the proposals lie lower than the first, which were random."""
    found = search(6, seed=0)
    first = sorted(values["learning_rate"] for one in found[:2] for values in one)
    last = sorted(values["learning_rate"] for one in found[4:] for values in one)
    assert last[len(last) // 2] < first[len(first) // 2] / 3


def test_what_breaks_a_constraint_is_avoided() -> None:
    """Low rates break it, and are the lowest: the proposals stay away from them all the same."""
    rng_rates = [10 ** (-5 + 2 * place / 23) for place in range(24)]
    values = [{"learning_rate": rate, "max_steps": 100, "min_snr_gamma": None, "sides": (1, 2)} for rate in rng_rates]

    def proposed(violations: bool) -> list[float]:
        seen = [
            observe(one, violation=1.0 if violations and rate < 1e-4 else 0.0)
            for one, rate in zip(values, rng_rates, strict=True)
        ]
        found = [
            one["learning_rate"]
            for generation in range(5)
            for one in propose(SPACE, seen, count=4, seed=0, generation=generation, proposals=24)
        ]
        return [rate for rate in found if isinstance(rate, float)]

    free, held = proposed(violations=False), proposed(violations=True)
    assert sum(rate < 1e-4 for rate in held) < sum(rate < 1e-4 for rate in free) / 2


def test_a_start_outside_of_the_bounds_is_no_obstacle() -> None:
    outside = {"learning_rate": 0.5, "max_steps": 100, "min_snr_gamma": 5.0, "sides": (1, 2)}
    assert len(propose(SPACE, [observe(outside)], count=2, seed=0, generation=1, proposals=8)) == 2


def test_the_journal_is_optunas(tmp_path: Path) -> None:
    values = search(2, seed=3)
    seen = [observe(one, pruned=place > 1) for found in values for place, one in enumerate(found)]
    for number in (4, 8):  # written anew as the study grows
        write_journal(tmp_path / "optuna.journal", SPACE, seen[:number], name="woundgen")
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.journal"))
    )
    study = optuna.load_study(study_name="woundgen", storage=storage)
    assert len(study.trials) == 8
    assert study.best_value == min(one.curve[0] for one in seen if not one.pruned)
    assert [path.name for path in tmp_path.iterdir()] == ["optuna.journal"]


def test_importance_names_what_decides() -> None:
    values = [one for found in search(6, seed=5) for one in found]
    found = measure_importance(SPACE, [observe(one) for one in values])
    assert found[0].key == "learning_rate"
    assert found[0].low > max(one.high for one in found[1:])
    assert measure_importance(SPACE, [observe(one) for one in values[:4]]) == []


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(proposals.importlib, "import_module", missing)
    with pytest.raises(UserError, match=r"woundgen\[tune\]"):
        proposals.load_optuna()
