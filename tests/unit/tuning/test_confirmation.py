"""The comparison that confirms, against algebra and whole simulated studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from woundgen.metrics.kernel import kernel_distance
from woundgen.tuning.conclusion import classify_difference, conclude
from woundgen.tuning.confirmation import SetValues, StartDifference, compare_with_start, measure_sets

from ...simulated_tuning import Truth, simulate_study

FOLDS = 12


def measured(values: np.ndarray, *, patients: np.ndarray | None = None) -> SetValues:
    """Without an effect of patients unless it is given [C, S, F]."""
    left_out = np.repeat(values[..., None], FOLDS, axis=2) if patients is None else patients
    return SetValues(values, left_out, np.full(FOLDS, 4))


def test_seeds_by_hand() -> None:
    """Two configurations, three seeds, no effect of patients: the paired t of the three differences."""
    values = np.array([[5.0, 6.0, 7.0], [4.0, 5.5, 5.5]])
    (found,) = compare_with_start(measured(values), comparisons=1)
    apart = values[1] - values[0]
    error = apart.std(ddof=1) / np.sqrt(3)
    assert found.value == pytest.approx(-1)
    assert found.seeds_sd == pytest.approx(error)
    assert found.degrees == pytest.approx(2)
    assert found.high == pytest.approx(-1 + t.ppf(0.975, 2) * error)
    (three,) = compare_with_start(measured(values), comparisons=3)
    assert three.high == pytest.approx(-1 + t.ppf(1 - 0.05 / 6, 2) * error)


def test_patients_by_hand() -> None:
    """No effect of seeds: the jackknife of the mean over equal folds is the standard error of the fold means."""
    rng = np.random.default_rng(0)
    effect = rng.standard_normal(FOLDS)
    whole = np.array([[0.0] * 3, [effect.mean()] * 3])
    without = (effect.sum() - effect) / (FOLDS - 1)
    left_out = np.zeros((2, 3, FOLDS))
    left_out[1] = without
    (found,) = compare_with_start(measured(whole, patients=left_out), comparisons=1)
    assert found.patients_sd == pytest.approx(effect.std(ddof=1) / np.sqrt(FOLDS))
    assert found.degrees == pytest.approx(FOLDS - 1)


def test_seeds_pool_over_configurations_and_never_lend_steadiness() -> None:
    """Four configurations: six degrees of freedom; one that hangs on its seed keeps its own spread."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((4, 3))
    found = compare_with_start(measured(values), comparisons=3)
    residual = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    pooled = 2 * (residual**2).sum() / 6 / 3
    assert found[0].degrees == pytest.approx(6)
    for one, row in zip(found, values[1:], strict=True):
        own = np.var(row - values[0], ddof=1) / 3
        assert one.seeds_sd**2 == pytest.approx(max(own, pooled))


def test_what_all_seeds_share_is_no_difference() -> None:
    """Paired: a seed that is bad for all configurations alike, and a photograph that is, change nothing."""
    rng = np.random.default_rng(2)
    values = rng.standard_normal((3, 3))
    shifted = values + np.array([0.0, 50.0, -20.0])
    plain, moved = (compare_with_start(measured(one), comparisons=3) for one in (values, shifted))
    for one, other in zip(plain, moved, strict=True):
        assert other.low == pytest.approx(one.low)


def test_sets_are_measured_with_folds_of_whole_patients() -> None:
    rng = np.random.default_rng(3)
    real = rng.standard_normal((24, 4))
    groups = [str(row // 3) for row in range(24)]
    drawn = [[rng.standard_normal((20, 4)) for _ in range(2)] for _ in range(2)]
    found = measure_sets(kernel_distance, drawn, real, groups=groups)
    assert found.values[1, 0] == kernel_distance(drawn[1][0], real)
    assert found.left_out.shape == (2, 2, 8)
    assert found.sizes.tolist() == [3] * 8
    expected = {round(kernel_distance(drawn[0][1], np.delete(real, range(3 * g, 3 * g + 3), 0)), 9) for g in range(8)}
    assert {round(float(value), 9) for value in found.left_out[0, 1]} == expected


def difference(value: float, half: float) -> StartDifference:
    return StartDifference(value, value - half, value + half, 1.0, 1.0, 5.0)


def test_what_may_be_said() -> None:
    kinds = {
        "better": difference(-2, 1),
        "worse": difference(2, 1),
        "no difference shown": difference(-0.5, 1),
        "too little data": difference(-0.5, 4),
    }
    for kind, one in kinds.items():
        assert classify_difference(one, start=3.0, floor=0.5) == kind


def test_the_sentence() -> None:
    found = conclude(
        {"trial_007": difference(-1, 2), "trial_003": difference(-2, 1), "trial_009": difference(-3, 1)},
        start=4.0, floor=0.0, metric="KID", patients=12, n=48,
    )  # fmt: skip
    assert (found.chosen, found.kind) == ("trial_009", "better")
    assert "lower by 3" in found.sentence
    assert "−4 to −2" in found.sentence
    assert "12 confirmation patients" in found.sentence
    nothing = conclude(
        {"trial_007": difference(-1, 2), "trial_003": difference(1, 2)},
        start=4.0, floor=0.0, metric="KID", patients=12, n=48,
    )  # fmt: skip
    assert (nothing.chosen, nothing.kind) == ("trial_007", "no difference shown")
    assert nothing.sentence.startswith("No difference")


NULL = Truth(noise=0.05, bias=1.0)


def test_a_study_claims_what_is_there_and_seldom_what_is_not() -> None:
    """A few studies of each kind; the slow test below has a thousand."""
    large = replace(NULL, gain=0.9, good=4, trials=8, patients=32)
    small = replace(NULL, trials=8)
    assert sum(simulate_study(large, kernel_distance, seed=seed)[1] for seed in range(5)) >= 4
    assert sum(simulate_study(small, kernel_distance, seed=seed)[0] for seed in range(5)) <= 1


@pytest.mark.slow
def test_a_thousand_studies_without_an_effect() -> None:
    """Claims of an improvement where there is none: 6.5 % at most (nominal 2.5 %: one side of 95 % for all)."""
    claims = sum(simulate_study(NULL, kernel_distance, seed=seed)[0] for seed in range(1000))
    assert claims <= 65
