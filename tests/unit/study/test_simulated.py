"""Simulated readers give the analysis their truth back (benchmarks/reader_study.py)."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from woundgen.study.planning import Design, power_of_equivalence

SIZE = {"simulations": 400, "readers": 8, "items": 120}


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "reader_study.py"))


@pytest.mark.slow
@pytest.mark.parametrize(("readers", "items"), [(8, 120), (3, 60)])
@pytest.mark.parametrize("number", range(4))
def test_intervals_hold_the_truth_and_are_not_wide(
    simulated: dict[str, Any], number: int, readers: int, items: int
) -> None:
    kind = simulated["KINDS"][number]
    found = simulated["estimates"](kind, simulations=400, readers=readers, items=items, seed=1)
    for name, truth in kind.truths().items():
        assert simulated["coverage"](found[name], truth) >= 0.93, (kind.name, name)
        assert simulated["width_ratio"](found[name]) <= simulated["widest_ratio"](readers), (kind.name, name)


def test_the_bar_of_the_width_is_student_s(simulated: dict[str, Any]) -> None:
    """t(0.975) on 2, 4, 5 and 7 degrees is 4.3027, 2.7764, 2.5706 and 2.3646; c4 .8862, .9400, .9515 and .9650."""
    bars = [simulated["width_of_readers_alone"](readers) for readers in (3, 5, 6, 8)]
    quantiles, c4 = np.array([4.3027, 2.7764, 2.5706, 2.3646]), np.array([0.8862, 0.9400, 0.9515, 0.9650])
    assert bars == pytest.approx(quantiles * c4 / 1.95996, abs=2e-3)
    assert [simulated["widest_ratio"](readers) for readers in (6, 8)] == [1.3, 1.3]


@pytest.mark.slow
def test_equivalence_is_claimed_at_the_planned_rate(simulated: dict[str, Any]) -> None:
    """A size at which the plan is neither sure of a claim nor sure of none."""
    size = {"simulations": 400, "readers": 3, "items": 120}
    guessing = simulated["KINDS"][0]
    rates = {
        accuracy: simulated["estimates"](simulated["of_accuracy"](guessing, accuracy), **size)["accuracy"][:, 3].mean()
        for accuracy in (0.5, 0.6, 0.65)
    }
    planned = power_of_equivalence(Design(120, 3, reader_sd=0, case_correlation=0), margin=0.1)
    assert rates[0.5] == pytest.approx(planned, abs=3 * 0.5 / np.sqrt(400))
    assert rates[0.6] <= 0.07
    assert rates[0.65] <= 0.01


@pytest.mark.slow
def test_readers_of_pictures_that_differ_are_no_oftener_called_guessing(simulated: dict[str, Any]) -> None:
    kind = simulated["of_accuracy"](simulated["KINDS"][1], 0.6)
    assert simulated["estimates"](kind, **SIZE)["accuracy"][:, 3].mean() <= 0.07


def test_perfect_readers_are_given_back_without_certainty(simulated: dict[str, Any]) -> None:
    found = simulated["estimates"](simulated["KINDS"][4], simulations=3, readers=4, items=60)
    for rows in found.values():
        assert (rows[:, 2] == 1).all()
        assert (rows[:, 1] < 0.96).all()
    assert not found["accuracy"][:, 3].any()
