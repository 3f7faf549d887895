"""What a study of a size can show, against textbook cases and simulation of the same model."""

from __future__ import annotations

import numpy as np
import pytest

from woundgen.study.equivalence import assess_equivalence
from woundgen.study.planning import (
    Design,
    half_width,
    items_for_equivalence,
    power_of_equivalence,
    power_to_tell,
)
from woundgen.study.readers import Pooled


def simulate(design: Design, accuracy: float, rng: np.random.Generator, count: int) -> list[Pooled]:
    """Estimates of the model that the plan assumes: normal means with chi-squared variances."""
    variance, degrees = design.spread(accuracy)
    means = rng.normal(accuracy, variance**0.5, count)
    variances = variance * rng.chisquare(degrees, count) / degrees
    return [Pooled(float(m), float(v), degrees, design.readers, 60) for m, v in zip(means, variances, strict=True)]


@pytest.mark.parametrize("accuracy", [0.5, 0.55, 0.6])
def test_planned_power_of_equivalence_is_the_simulated_rate(accuracy: float) -> None:
    design = Design(items=400, readers=5, reader_sd=0.03, case_correlation=0.1)
    rng = np.random.default_rng(1)
    rate = np.mean([assess_equivalence(p, margin=0.1).claimed for p in simulate(design, accuracy, rng, 4000)])
    planned = power_of_equivalence(design, margin=0.1, accuracy=accuracy)
    assert planned == pytest.approx(rate, abs=0.025)
    if accuracy == 0.6:
        assert planned <= 0.05 + 1e-3  # at the margin the test holds its level


def test_planned_power_to_tell_is_the_simulated_rate() -> None:
    design = Design(items=200, readers=4, reader_sd=0.03, case_correlation=0.1)
    rng = np.random.default_rng(2)
    bounds = [pooled.bounds() for pooled in simulate(design, 0.6, rng, 4000)]
    rate = np.mean([low > 0.5 or high < 0.5 for low, high in bounds])
    assert power_to_tell(design, accuracy=0.6) == pytest.approx(rate, abs=0.025)


def test_one_reader_of_many_items_is_the_binomial_case() -> None:
    """1.96 sqrt(0.25 / 1000) = 0.031; 60 % against 50 % at n = 200: power 0.81 (normal approximation 0.816)."""
    assert half_width(Design(items=1000, readers=1)) == pytest.approx(0.031, abs=2e-4)
    assert power_to_tell(Design(items=200, readers=1), accuracy=0.6) == pytest.approx(0.815, abs=0.01)


def test_more_items_and_readers_show_more() -> None:
    powers = [power_of_equivalence(Design(items=n, readers=r), margin=0.1) for n, r in ((60, 3), (240, 3), (240, 8))]
    assert powers == sorted(powers)
    assert powers[0] < powers[1] < powers[2]


def test_items_needed_reach_the_power_and_no_fewer_do() -> None:
    needed = items_for_equivalence(Design(items=2, readers=6, reader_sd=0.02, case_correlation=0.05), margin=0.1)
    assert needed is not None
    assert needed % 2 == 0
    reached = [
        power_of_equivalence(Design(n, 6, reader_sd=0.02, case_correlation=0.05), margin=0.1)
        for n in (needed - 2, needed)
    ]
    assert reached[0] < 0.8 <= reached[1]


def test_readers_who_differ_too_much_never_show_equivalence() -> None:
    assert items_for_equivalence(Design(items=2, readers=3, reader_sd=0.2), margin=0.1) is None
