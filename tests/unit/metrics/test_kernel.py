"""KID against its definition; its permutation test under the null; its interval where the truth is known."""

import numpy as np
import pytest
from scipy.stats import kstest, t

from woundgen.metrics.intervals import Jackknife, jackknife_interval
from woundgen.metrics.kernel import (
    kernel_distance,
    kernel_distance_interval,
    permutation_p_value,
    round_trip_distance,
)
from woundgen.similarity.groups import group_codes

SPECTRUM = np.arange(1, 17) ** -0.5


def draw(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    return rng.standard_normal((n, 16)) * SPECTRUM + shift


def draw_patients(rng: np.random.Generator, patients: int, photographs: int) -> np.ndarray:
    """Photographs of one patient share most of their variation."""
    own = np.repeat(draw(rng, patients), photographs, axis=0)
    return own + 0.3 * draw(rng, patients * photographs)


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Binkowski et al. 2018, eq. 4, with loops over ordered pairs."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (float(np.dot(a, b)) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_equals_the_definition():
    rng = np.random.default_rng(0)
    x, y = draw(rng, 13), draw(rng, 17, 0.5)
    assert kernel_distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-10)


def test_jackknife_is_the_formula_written_out():
    """Sum over both samples of (n - 1)/n sum (left out - their mean)^2, KID recomputed without each image."""
    rng = np.random.default_rng(1)
    x, y = draw(rng, 9, 0.3), draw(rng, 12)
    found = kernel_distance_interval(x, y, level=0.5)
    without_x = np.array([by_definition(np.delete(x, i, 0), y) for i in range(9)])
    without_y = np.array([by_definition(x, np.delete(y, j, 0)) for j in range(12)])
    parts = [(len(v) - 1) * np.var(v) for v in (without_x, without_y)]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 8 + parts[1] ** 2 / 11)
    assert found.value == pytest.approx(by_definition(x, y))
    assert found.high - found.value == pytest.approx(t.ppf(0.75, degrees) * np.sqrt(sum(parts)), rel=1e-9)


def test_deleting_groups_widens_the_interval_of_clustered_photographs():
    rng = np.random.default_rng(2)
    generated, real = draw(rng, 60, 0.3), draw_patients(rng, 15, 4)
    patients = np.repeat(np.arange(15), 4).tolist()
    alone = kernel_distance_interval(generated, real)
    grouped = kernel_distance_interval(generated, real, real_groups=patients)
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.2 * (alone.high - alone.low)
    assert "delete-group" in grouped.text


def test_p_value_finds_a_shift_and_cannot_be_zero():
    rng = np.random.default_rng(3)
    p = permutation_p_value(draw(rng, 40, 1.0), draw(rng, 40), permutations=199)
    assert p == 1 / 200


def test_p_value_of_all_partitions():
    """Three against three: of 20 partitions two, the sets and their swap, reach the maximum."""
    rng = np.random.default_rng(4)
    p = permutation_p_value(draw(rng, 3, 5.0), draw(rng, 3), permutations=9999)
    assert p == pytest.approx(2 / 20, abs=0.01)


def test_p_values_are_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(5)
    found = [permutation_p_value(draw(rng, 12), draw(rng, 15), permutations=199, seed=s) for s in range(400)]
    assert kstest(found, "uniform").pvalue > 0.05


def test_p_values_of_patients_need_whole_patients():
    """One distribution of patients; photographs that change sides one by one find a difference."""
    rng = np.random.default_rng(6)
    patients = np.repeat(np.arange(8), 4).tolist()
    whole, single = [], []
    for seed in range(200):
        x, y = draw_patients(rng, 8, 4), draw_patients(rng, 8, 4)
        groups = {"generated_groups": patients, "real_groups": patients}
        whole.append(permutation_p_value(x, y, permutations=99, seed=seed, **groups))
        single.append(permutation_p_value(x, y, permutations=99, seed=seed))
    assert kstest(whole, "uniform").pvalue > 0.05
    assert np.mean(np.array(single) <= 0.05) > 0.2


def test_unknown_patients_change_nothing():
    rng = np.random.default_rng(7)
    x, y = draw(rng, 10), draw(rng, 10)
    unknown = [None] * 10
    assert group_codes(unknown, 10).tolist() == list(range(10))
    assert permutation_p_value(x, y, real_groups=unknown) == permutation_p_value(x, y)


@pytest.mark.parametrize("groups", [None, ["a", "a", "b", "c", "c", "d", "e", "f"]])
def test_reconstructions_are_held_against_other_photographs(groups):
    """By loops over pairs of different groups, and its jackknife by leaving each group out in turn."""
    rng = np.random.default_rng(11)
    real = draw(rng, 8)
    made = real + 0.5 * rng.standard_normal(real.shape) + 0.2
    names = np.array(groups or range(8))

    def by_loops(kept: np.ndarray) -> float:
        pairs = [(i, j) for i in kept for j in kept if names[i] != names[j]]
        kernel = lambda x, y: (x @ y / len(x) + 1) ** 3  # noqa: E731
        terms = [kernel(made[i], made[j]) + kernel(real[i], real[j]) - 2 * kernel(made[i], real[j]) for i, j in pairs]
        return float(np.mean(terms))

    found = round_trip_distance(made, real, groups=groups)
    assert found.value == pytest.approx(by_loops(np.arange(8)))
    units, sizes = np.unique(names, return_counts=True)
    left_out = np.array([by_loops(np.flatnonzero(names != unit)) for unit in units])
    expected = jackknife_interval(found.value, [Jackknife(left_out, sizes)])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(50, 50), (100, 70)])
def test_interval_covers_at_its_rate(n, m):
    """Truth: the unbiased estimate from 40,000 images."""
    rng = np.random.default_rng(8)
    shift = 0.3
    truth = np.mean([kernel_distance(draw(rng, 1000, shift), draw(rng, 1000)) for _ in range(40)])
    found = [kernel_distance_interval(draw(rng, n, shift), draw(rng, m)) for _ in range(1000)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
def test_grouped_interval_covers_at_its_rate():
    rng = np.random.default_rng(9)
    shift = 0.3
    marginal = [kernel_distance(draw(rng, 1000, shift), draw_patients(rng, 1000, 1)) for _ in range(40)]
    truth, patients = np.mean(marginal), np.repeat(np.arange(40), 3).tolist()
    found = [
        kernel_distance_interval(draw(rng, 80, shift), draw_patients(rng, 40, 3), real_groups=patients)
        for _ in range(600)
    ]
    # Pairs of photographs of one patient stay in the mean within the real set: a bias far below the width.
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
def test_interval_is_at_least_nominal_where_there_is_no_difference():
    rng = np.random.default_rng(10)
    found = [kernel_distance_interval(draw(rng, 50), draw(rng, 50)) for _ in range(500)]
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.95
