"""The moving average in closed form."""

from __future__ import annotations

from math import factorial

import pytest
import torch

from woundgen.adapters.ema import decay_at, share_of_start, update


def test_without_warmup_a_geometric_sum() -> None:
    """After n updates: d^n a_0 + (1 - d) sum of d^(n - 1 - k) v_k."""
    source = torch.Generator().manual_seed(1)
    start, values = torch.randn(6, generator=source).double(), torch.randn(9, 6, generator=source).double()
    average = start.clone()
    for step, value in enumerate(values):
        update(average, value, step, decay=0.8, warmup=False)
    weights = torch.tensor([0.2 * 0.8 ** (8 - k) for k in range(9)], dtype=torch.float64)
    torch.testing.assert_close(average, 0.8**9 * start + weights @ values, rtol=1e-10, atol=0)


def test_warmup_follows_its_formula_up_to_the_decay() -> None:
    """(1 + t) / (10 + t): 0.1 at the first update; 0.9 from t = 80 on, where it stays."""
    assert decay_at(0, decay=0.9999, warmup=True) == 0.1
    assert decay_at(8, decay=0.9999, warmup=True) == 0.5
    assert [decay_at(t, decay=0.9, warmup=True) for t in (79, 80, 10_000)] == [80 / 89, 0.9, 0.9]
    assert decay_at(0, decay=0.9, warmup=False) == 0.9


@pytest.mark.parametrize("steps", [0, 1, 5, 20])
def test_share_of_the_start_under_warmup(steps: int) -> None:
    """The product of (1 + t) / (10 + t) for t < n telescopes to n! 9! / (n + 9)!."""
    expected = factorial(steps) * factorial(9) / factorial(steps + 9)
    found = share_of_start(steps, decay=0.9999, warmup=True)
    assert found == pytest.approx(expected, rel=1e-9) if expected >= 1e-6 else found == 0.0


@pytest.mark.parametrize(("decay", "warmup"), [(0.99, False), (0.99, True), (0.9999, False)])
def test_share_of_the_start_is_what_the_average_keeps(decay: float, warmup: bool) -> None:
    """An average that begins at 1 and follows zeros."""
    average = torch.ones(1, dtype=torch.float64)
    for step in range(12):
        update(average, torch.zeros(1, dtype=torch.float64), step, decay=decay, warmup=warmup)
    assert share_of_start(12, decay=decay, warmup=warmup) == pytest.approx(average.item(), rel=1e-9)


def test_what_the_user_once_met() -> None:
    """Decay 0.9999 over 500 steps without warm-up: 95 % of the untrained weights (DESIGN.md, failures)."""
    assert share_of_start(500, decay=0.9999, warmup=False) == pytest.approx(0.9999**500)
    assert share_of_start(500, decay=0.9999, warmup=True) == 0.0
