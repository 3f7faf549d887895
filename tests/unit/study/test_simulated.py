"""Simulated readers give the analysis their truth back."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.study.planning import Design, power_of_equivalence

from ...simulated_readers import (
    KINDS,
    coverage,
    estimates,
    of_accuracy,
    widest_ratio,
    width_of_readers_alone,
    width_ratio,
)

SIZE = {"simulations": 400, "readers": 8, "items": 120}


@pytest.mark.slow
@pytest.mark.parametrize(("readers", "items"), [(8, 120), (3, 60)])
@pytest.mark.parametrize("number", range(4))
def test_intervals_hold_the_truth_and_are_not_wide(number: int, readers: int, items: int) -> None:
    kind = KINDS[number]
    found = estimates(kind, simulations=400, readers=readers, items=items, seed=1)
    for name, truth in kind.truths().items():
        assert coverage(found[name], truth) >= 0.93, (kind.name, name)
        assert width_ratio(found[name]) <= widest_ratio(readers), (kind.name, name)


def test_the_bar_of_the_width_is_student_s() -> None:
    """t(0.975) on 2, 4, 5 and 7 degrees is 4.3027, 2.7764, 2.5706 and 2.3646; c4 .8862, .9400, .9515 and .9650."""
    bars = [width_of_readers_alone(readers) for readers in (3, 5, 6, 8)]
    quantiles, c4 = np.array([4.3027, 2.7764, 2.5706, 2.3646]), np.array([0.8862, 0.9400, 0.9515, 0.9650])
    assert bars == pytest.approx(quantiles * c4 / 1.95996, abs=2e-3)
    assert [widest_ratio(readers) for readers in (6, 8)] == [1.3, 1.3]


@pytest.mark.slow
def test_equivalence_is_claimed_at_the_planned_rate() -> None:
    """A size at which the plan is neither sure of a claim nor sure of none."""
    size = {"simulations": 400, "readers": 3, "items": 120}
    guessing = KINDS[0]
    rates = {
        accuracy: estimates(of_accuracy(guessing, accuracy), **size)["accuracy"][:, 3].mean()
        for accuracy in (0.5, 0.6, 0.65)
    }
    planned = power_of_equivalence(Design(120, 3, reader_sd=0, case_correlation=0), margin=0.1)
    assert rates[0.5] == pytest.approx(planned, abs=3 * 0.5 / np.sqrt(400))
    assert rates[0.6] <= 0.07
    assert rates[0.65] <= 0.01


@pytest.mark.slow
def test_readers_of_pictures_that_differ_are_no_oftener_called_guessing() -> None:
    kind = of_accuracy(KINDS[1], 0.6)
    assert estimates(kind, **SIZE)["accuracy"][:, 3].mean() <= 0.07


def test_perfect_readers_are_given_back_without_certainty() -> None:
    found = estimates(KINDS[4], simulations=3, readers=4, items=60)
    for rows in found.values():
        assert (rows[:, 2] == 1).all()
        assert (rows[:, 1] < 0.96).all()
    assert not found["accuracy"][:, 3].any()
