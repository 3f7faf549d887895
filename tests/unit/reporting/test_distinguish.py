"""How often equivalence is claimed: with the true difference exactly at the margin, and with none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from woundgen.metrics.kernel import kernel_distance_interval, round_trip_distance
from woundgen.metrics.rows import CEILING, Network, row
from woundgen.reporting.distinguish import MARGIN, is_equivalent

NETWORK = Network("embedded", "d")


def expected_kernel(a: np.ndarray, b: np.ndarray) -> float:
    """E (x.y / d + 1)^3 of independent x ~ N(a, 1), y ~ N(b, 1): given x, x.y ~ N(x.b, |x|^2)."""
    d, ab, aa, bb = len(a), a @ b, a @ a, b @ b
    moments = (1, ab, ab**2 + aa + bb + d, ab**3 + 3 * ab * bb + 3 * ab * (aa + d) + 6 * ab)
    return float(
        sum(factor * moment / d**n for n, (factor, moment) in enumerate(zip((1, 3, 3, 1), moments, strict=True)))
    )


def population_kid(shift: float, d: int) -> float:
    nothing, mean = np.zeros(d), np.full(d, shift)
    same = expected_kernel(nothing, nothing) + expected_kernel(mean, mean)
    return same - 2 * expected_kernel(nothing, mean)


def claims(n: int, d: int, lost: float, share: float, *, repetitions: int, seed: int) -> float:
    """Share of sets of n that are called equivalent. lost: shift by the autoencoder. share: of its KID, theirs."""
    rng, wanted = np.random.default_rng(seed), share * population_kid(lost, d)
    shift = brentq(lambda x: population_kid(x, d) - wanted, 0, lost) if share else 0.0
    found = 0
    for _ in range(repetitions):
        real, generated = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + shift
        value = row("kid", kernel_distance_interval(generated, real), (n, n), NETWORK)
        ceiling = row("kid", round_trip_distance(real + lost, real), (n, n), NETWORK, CEILING)
        found += is_equivalent(value, ceiling)
    return found / repetitions


def test_population_kid_is_what_large_samples_give() -> None:
    rng = np.random.default_rng(1)
    values = [kernel_distance_interval(rng.standard_normal((400, 4)) + 0.5, rng.standard_normal((400, 4))).value
              for _ in range(12)]  # fmt: skip
    assert np.mean(values) == pytest.approx(population_kid(0.5, 4), abs=3 * np.std(values) / 12**0.5)


def test_claims_at_the_margin_are_rare_and_without_a_difference_usual() -> None:
    """5 of 100 are asked; with the ceiling taken as known, and without CAUTION, they were about 10."""
    assert claims(60, 6, 0.6, MARGIN, repetitions=60, seed=1) <= 0.05
    assert claims(60, 6, 0.6, 0.0, repetitions=12, seed=2) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("d", "lost"), [(6, 0.6), (24, 0.4)])
@pytest.mark.parametrize(("n", "repetitions"), [(60, 400), (100, 200), (200, 60)])
def test_claims_at_the_margin_are_at_most_5_of_100(n: int, repetitions: int, d: int, lost: float) -> None:
    error = (0.05 * 0.95 / repetitions) ** 0.5
    assert claims(n, d, lost, MARGIN, repetitions=repetitions, seed=100 + n + d) <= 0.05 + 2 * error
    assert claims(n, d, lost, 0.0, repetitions=repetitions // 10, seed=200 + n + d) >= 0.8
