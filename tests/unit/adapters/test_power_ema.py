"""Power-function averages against the paper's formulas (Karras et al. 2024) and against averages taken one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from woundgen.adapters.power_ema import LENGTHS, Snapshot, fit, gamma_of, profile, update_power


def run(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """The average after each update, [T, P]."""
    average, found = torch.zeros(values.shape[1], dtype=torch.float64), []
    for update, value in enumerate(values, start=1):
        update_power(average, value, update, sigma=sigma)
        found.append(average.clone())
    return torch.stack(found)


def walk(steps: int) -> torch.Tensor:
    return torch.randn(steps, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64).cumsum(0)


@pytest.mark.parametrize(("sigma", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_powers_of_the_paper(sigma: float, gamma: float) -> None:
    """Section 3.1: sigma_rel 0.05 and 0.10 are gamma 16.97 and 6.94."""
    found = gamma_of(sigma)
    assert found == pytest.approx(gamma, abs=0.005)
    assert np.sqrt(found + 1) / (found + 2) / np.sqrt(found + 3) == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.25])
def test_an_average_is_its_profile(sigma: float) -> None:
    """By hand: theta <- beta theta + (1 - beta) value, beta = (1 - 1/t)^(gamma + 1), from the first value on."""
    values = walk(40)
    expected = torch.zeros(4, dtype=torch.float64)
    for t, value in enumerate(values, start=1):
        beta = (1 - 1 / t) ** (gamma_of(sigma) + 1)
        expected = beta * expected + (1 - beta) * value
    weights = torch.from_numpy(profile(Snapshot(updates=40, sigma=sigma), among=40))
    torch.testing.assert_close(run(values, sigma)[-1], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(weights @ values, expected, rtol=1e-9, atol=0)
    assert weights.sum().item() == pytest.approx(1)


def test_inner_products_come_to_the_papers() -> None:
    """Appendix C.2: <p_a, p_b> = (ga + 1)(gb + 1)(ta / tb)^gb / ((ga + gb + 1) tb) for ta <= tb, in continuous time."""
    (ta, tb), (a, b) = (3000, 4000), LENGTHS
    ga, gb = gamma_of(a), gamma_of(b)
    papers = (ga + 1) * (gb + 1) * (ta / tb) ** gb / ((ga + gb + 1) * tb)
    ours = profile(Snapshot(ta, a), among=tb) @ profile(Snapshot(tb, b), among=tb)
    assert ours == pytest.approx(papers, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.03, 0.07, 0.15])
def test_any_length_comes_out_of_two(sigma: float) -> None:
    """Snapshots of 0.05 and 0.10 at 16 points of 400 updates give the average that was never kept."""
    values, points = walk(400), range(25, 401, 25)
    kept = {length: run(values, length) for length in LENGTHS}
    snapshots = [Snapshot(t, length) for length in LENGTHS for t in points]
    found = fit(snapshots, Snapshot(400, sigma))
    built = sum(c * kept[one.sigma][one.updates - 1] for c, one in zip(found.coefficients, snapshots, strict=True))
    wanted = run(values, sigma)[-1]
    assert found.error < 0.05
    assert torch.linalg.norm(built - wanted) < 0.02 * torch.linalg.norm(values[-1] - values.mean(0))


def test_a_length_that_is_kept_is_the_snapshot_itself() -> None:
    found = fit([Snapshot(50, 0.05), Snapshot(100, 0.05), Snapshot(100, 0.10)], Snapshot(100, 0.10))
    np.testing.assert_allclose(found.coefficients, [0, 0, 1], atol=1e-9)
    assert found.error < 1e-9


def test_what_few_snapshots_cannot_give_is_said() -> None:
    assert fit([Snapshot(100, 0.05), Snapshot(100, 0.10)], Snapshot(100, 0.28)).error > 0.3
