"""Paired differences: against scipy, and their coverage and p-values in simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.paired import (
    paired_difference,
    paired_set_difference,
)

SPECTRUM = np.arange(1, 17) ** -0.5


def draw(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal((n, 16)) * SPECTRUM


def two_models(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Both from the same noise, as on the same seeds; the second is nearer to the real distribution."""
    noise = draw(rng, n)
    return 1.2 * noise + 0.3, noise + 0.1 + 0.3 * draw(rng, n)


def test_scores_have_students_paired_interval():
    rng = np.random.default_rng(0)
    first, second = rng.random(20), rng.random(20)
    expected = ttest_rel(first, second).confidence_interval()
    found = paired_difference(first, second)
    assert found.p == pytest.approx(ttest_rel(first, second).pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_same_seeds_tell_more_than_other_seeds():
    rng = np.random.default_rng(1)
    first, second = two_models(rng, 60)
    real = draw(rng, 60)
    paired = paired_set_difference(kernel_distance, first, second, real)
    unpaired = paired_set_difference(kernel_distance, first, rng.permutation(second), real)
    assert paired.value == pytest.approx(kernel_distance(first, real) - kernel_distance(second, real))
    assert paired.high - paired.low < 0.95 * (unpaired.high - unpaired.low)


def test_a_model_does_not_differ_from_itself():
    rng = np.random.default_rng(2)
    model, real = draw(rng, 30), draw(rng, 30)
    found = paired_set_difference(frechet_distance, model, model.copy(), real)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_whole_patients_are_left_out():
    """With two photographs of each patient, one a copy, the interval knows of half as many photographs."""
    rng = np.random.default_rng(3)
    first, second = two_models(rng, 200)
    real = np.repeat(draw(rng, 20), 2, axis=0)
    patients = np.repeat(np.arange(20), 2).tolist()
    alone = paired_set_difference(kernel_distance, first, second, real, folds=40)
    grouped = paired_set_difference(kernel_distance, first, second, real, folds=40, real_groups=patients)
    assert grouped.high - grouped.low > 1.15 * (alone.high - alone.low)


@pytest.mark.slow
def test_p_and_interval_say_one_thing():
    """400 pairs without a difference: p <= .05 exactly where the interval leaves 0 out, in about 5 of 100 or fewer."""
    rng, found = np.random.default_rng(4), []
    for _ in range(400):
        first, second, real = draw(rng, 30), draw(rng, 30), draw(rng, 30)
        found.append(paired_set_difference(kernel_distance, first, second, real, folds=15))
    told_apart = [not one.low <= 0 <= one.high for one in found]
    assert [one.p <= 0.05 for one in found] == told_apart
    assert np.mean(told_apart) <= 0.07


def test_a_better_model_is_told_apart():
    rng = np.random.default_rng(5)
    first, second = two_models(rng, 60)
    found = paired_set_difference(frechet_distance, first, second, draw(rng, 60))
    assert found.low > 0
    assert found.p is not None
    assert found.p < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("statistic", [kernel_distance, frechet_distance])
def test_interval_covers_at_its_rate(statistic):
    """Truth: the mean of 3,000 fresh differences at this n (for KID at any n)."""
    rng = np.random.default_rng(6)

    def difference() -> float:
        first, second = two_models(rng, 60)
        real = draw(rng, 60)
        return statistic(first, real) - statistic(second, real)

    truth = np.mean([difference() for _ in range(3000)])
    hits = []
    for seed in range(400):
        found = paired_set_difference(statistic, *two_models(rng, 60), draw(rng, 60), seed=seed)
        hits.append(found.low <= truth <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)
