"""What a budget buys, and which half of a generation goes on."""

from __future__ import annotations

import pytest

from woundgen.errors import UserError
from woundgen.tuning.budget import (
    Budget,
    Cost,
    cost_of_trial,
    lay_out,
    parse_budget,
    remaining_at,
    shares_remaining,
    survivors,
    trials_in,
)


def test_budgets_are_read() -> None:
    assert parse_budget("2h") == Budget(seconds=7200)
    assert parse_budget("90m") == Budget(seconds=5400)
    assert parse_budget("1.5 h") == Budget(seconds=5400)
    assert parse_budget("40-trials") == parse_budget("40 trials") == Budget(trials=40)
    for text in ("", "2", "h", "0h", "3-trials", "4.5-trials", "-1h", "2 days", "10001-trials", "9e9h", "9000000h"):
        with pytest.raises(UserError, match="--budget"):
            parse_budget(text)


def test_trials_are_divided() -> None:
    """A fifth repeats the leaders, at most four of them; nothing is lost."""
    layout = lay_out(20, generation=4)
    assert (layout.generations, layout.leaders, layout.repeats) == ((4, 4, 4, 4), 4, 1)
    assert lay_out(40, generation=4).repeats == 2
    assert lay_out(9, generation=4).generations == (4, 4, 1)
    assert lay_out(9, generation=4).leaders == 0
    for trials in range(4, 200):
        layout = lay_out(trials, generation=4)
        assert layout.proposals + layout.leaders * layout.repeats == trials


def test_the_better_half_goes_on() -> None:
    assert survivors([(0, 3.0), (0, 1.0), (0, 2.0), (0, 1.0)], keep=2) == [1, 3]
    assert survivors([(0, 1.0), (0, 1.0), (0, 1.0)], keep=2) == [0, 1], "the earlier one wins a tie"
    assert survivors([(1.0, 0.1), (0, 5.0)], keep=1) == [1], "constraints come first"
    assert [remaining_at(rung, 5) for rung in range(4)] == [5, 3, 2, 1]


def test_the_cost_of_a_trial_by_hand() -> None:
    """Four trials of 90 samples of 1 s: all train on 30, two of them on 60 more; images of 0.1 s: 20, then 50."""
    cost = Cost(sample=1.0, image=0.1, fixed=2.0, encoded=100.0)
    assert shares_remaining(4) == [1.0, 0.5]
    expected = (4 * (30 + 20 * 0.1 + 2) + 2 * (60 + 50 * 0.1 + 2)) / 4
    assert cost_of_trial(cost, samples=90, images=[20, 50], remaining=[1.0, 0.5]) == pytest.approx(expected)


def test_time_buys_trials() -> None:
    assert trials_in(Budget(seconds=3600), 120, processes=1) == 30
    assert trials_in(Budget(seconds=3600), 120, processes=2) == 60
    assert trials_in(Budget(trials=7), 1e9, processes=1) == 7
    with pytest.raises(UserError, match="buys 1 trials"):
        trials_in(Budget(seconds=3600), 3000, processes=1)
