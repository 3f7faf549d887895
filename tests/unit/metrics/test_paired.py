"""Paired differences: against scipy, and their coverage and p-values in simulation."""

import numpy as np
import pytest
from scipy.stats import kstest, ttest_rel

from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.paired import (
    paired_difference,
    paired_set_difference,
    sign_flip_p_value,
    swap_p_value,
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
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert swap_p_value(frechet_distance, model, model.copy(), real, permutations=19) == 1
    assert sign_flip_p_value(model[:, 0], model[:, 0], permutations=19) == 1


def test_whole_patients_are_left_out():
    """With two photographs of each patient, one a copy, the interval knows of half as many photographs."""
    rng = np.random.default_rng(3)
    first, second = two_models(rng, 200)
    real = np.repeat(draw(rng, 20), 2, axis=0)
    patients = np.repeat(np.arange(20), 2).tolist()
    alone = paired_set_difference(kernel_distance, first, second, real, folds=40)
    grouped = paired_set_difference(kernel_distance, first, second, real, folds=40, real_groups=patients)
    assert grouped.high - grouped.low > 1.15 * (alone.high - alone.low)


def test_p_values_are_uniform_where_either_set_could_be_the_other():
    rng = np.random.default_rng(4)
    flips, swaps = [], []
    for one in range(200):
        first, second, real = draw(rng, 12), draw(rng, 12), draw(rng, 15)
        flips.append(sign_flip_p_value(first[:, 0], second[:, 0], permutations=199, seed=one))
        swaps.append(swap_p_value(kernel_distance, first, second, real, permutations=39, seed=one))
    assert kstest(flips, "uniform").pvalue > 0.05
    assert kstest(swaps, "uniform").pvalue > 0.05


def test_a_better_model_is_told_apart():
    rng = np.random.default_rng(5)
    first, second = two_models(rng, 60)
    assert swap_p_value(frechet_distance, first, second, draw(rng, 60), permutations=99) == 0.01
    assert sign_flip_p_value(first[:, 0], second[:, 0]) < 0.01


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
