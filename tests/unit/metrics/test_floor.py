"""Splits keep patients whole; floor and spread agree with repeated fresh draws at the same n."""

from dataclasses import astuple
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from woundgen.features.load import load_extractor
from woundgen.metrics.floor import SPARE, at_equal_n, equal_n, half_against_half, spread_of
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.kernel import kernel_distance
from woundgen.metrics.neighbour_scores import neighbour_scores
from woundgen.metrics.rows import spread_row
from woundgen.metrics.splits import deal, disjoint_blocks, smallest_pile
from woundgen.phantoms import draw_phantoms
from woundgen.similarity.groups import group_codes

T95 = student.ppf(0.95, SPARE)
SPECTRUM = np.arange(1, 17) ** -0.5


def draw(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    return rng.standard_normal((n, 16)) * SPECTRUM + shift


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(1, 4), st.integers(0, 5))
def test_piles_are_disjoint_whole_and_large_enough(groups, piles, seed):
    codes = group_codes(groups, len(groups))
    dealt = deal(codes, piles, np.random.default_rng(seed))
    assert sorted(np.concatenate(dealt)) == list(range(len(groups)))
    assert sum(len(set(codes[pile])) for pile in dealt) == len(set(groups))
    assert min(map(len, dealt)) >= smallest_pile(codes, piles)


def test_smallest_pile_of_ungrouped_images_is_an_even_share():
    assert [smallest_pile(np.arange(11), piles) for piles in (1, 2, 3, 4)] == [11, 5, 3, 2]


def test_blocks_have_exactly_n():
    codes = group_codes([0, 0, 0, 1, 1, 2, 3, 4, 5, 6], 10)
    blocks = disjoint_blocks(codes, 2, 3, np.random.default_rng(0))
    assert [len(block) for block in blocks] == [3, 3]
    assert not set(codes[blocks[0]]) & set(codes[blocks[1]])


def test_equal_n_leaves_two_draws_of_each():
    assert equal_n(100, 71) == 35
    assert equal_n(30, 71) == 15
    assert equal_n(100, 6, ["a", "a", "b", "b", "c", "d"]) == 2


def test_no_patient_is_on_both_sides_of_the_floor():
    patients = np.repeat(np.arange(12), 4)

    def shared(x: np.ndarray, y: np.ndarray) -> float:
        return len(set(x[:, 0]) & set(y[:, 0]))

    rows = patients[:, None].astype(float)
    assert half_against_half(rows, shared, n=10, groups=patients.tolist()).max() == 0
    assert half_against_half(rows, shared, n=10).max() > 0


def test_all_values_are_at_n_and_blocks_share_nothing():
    rows = np.arange(50.0)[:, None]
    seen = []

    def record(x: np.ndarray, y: np.ndarray) -> float:
        seen.append((x[:, 0], y[:, 0]))
        return 0.0

    values = at_equal_n(rows, rows[:40], record, n=12, splits=2)
    assert values.shape == (2, 3)
    assert {(len(x), len(y)) for x, y in seen} == {(12, 12)}
    for side in (0, 1):
        assert len(np.unique(np.concatenate([pair[side] for pair in seen[:3]]))) == 36


def test_seed_decides():
    rows = draw(np.random.default_rng(0), 40)
    one, again, other = (half_against_half(rows, frechet_distance, n=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)


def test_spread_of_two_blocks_by_hand():
    """Deviations +-1 from the mean of two blocks: the variance of one draw is 2, of a draw from their mean 3."""
    spread = spread_of(np.array([[4.0, 6.0], [6.0, 4.0]]), n=7)
    assert (spread.mean, spread.sd**2) == pytest.approx((5, 2))
    width = T95 * 3**0.5
    assert (spread.low, spread.high) == pytest.approx((5 - width, 5 + width))
    assert "new draws of n = 7" in spread.text
    assert spread_of(np.array([[0.9, 1.0]]), n=7, limits=(0, 1)).high == 1


def test_what_cannot_be_below_0_is_spread_by_its_logarithm():
    spread = spread_of(np.exp(np.array([[1.0, 3.0]])), n=7, limits=(0.0, np.inf))
    width = T95 * 3**0.5
    assert np.log([spread.low, spread.high]) == pytest.approx([2 - width, 2 + width], rel=1e-4)


def test_one_block_needs_smaller_ones_or_is_called_what_it_is():
    values = np.array([[4.0], [6.0]])
    told = spread_of(values, n=8)
    assert "of the same photographs" in told.text
    assert (told.low, told.high) == pytest.approx((4.1, 5.9))
    from_smaller = spread_of(values, n=8, smaller=np.array([[3.0, 5.0], [7.0, 5.0]]))
    assert from_smaller.sd**2 == pytest.approx(2)  # that at n / 2
    assert (from_smaller.high - 5) == pytest.approx(T95 * 2)
    assert "2 pairs of n = 4" in from_smaller.text


MIXING = np.random.default_rng(7).normal(size=(24, 24)) / 24**0.5


@cache
def phantom_features() -> np.ndarray:
    """Of 1,000 phantoms of 64 pixels in the shipped network: draws are without replacement among them."""
    images = draw_phantoms(range(1000), seed=4, size=64).images
    return load_extractor("embedded").pooled(images)


def features(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "phantoms":
        return phantom_features()[rng.choice(1000, n, replace=False)]
    rows = {
        "gaussian": lambda: rng.normal(size=(n, 24)),
        "heavy-tailed": lambda: rng.normal(size=(n, 24)) / np.sqrt(rng.chisquare(3, size=(n, 1)) / 3),
        "skewed": lambda: np.exp(0.8 * rng.normal(size=(n, 24))),
    }[kind]()
    return rows @ MIXING


def both(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    return frechet_distance(x, y), kernel_distance(x, y)


def coverage(kind: str, n: int, *, repetitions: int, fresh: int = 4) -> dict[str, float]:
    """Shares of new draws that the 5-95 % bounds of rows hold; n images and n photographs are given."""
    rng, half = np.random.default_rng([3, n]), n // 2
    held: dict[str, list[bool]] = {"FD": [], "FD's floor": [], "KID's floor": []}
    for seed in range(repetitions):
        generated, real = features(kind, n, rng), features(kind, n, rng)
        value = at_equal_n(generated, real, frechet_distance, n=half, splits=10, seed=seed)
        floor = half_against_half(real, both, n=half, splits=10, seed=seed)
        smaller = half_against_half(real, both, n=half // 2, splits=10, seed=seed)
        rows = {
            "FD": (0, spread_row("fd", value, half, None)),
            "FD's floor": (0, spread_row("fd", floor[..., 0], half, None, smaller=smaller[..., 0])),
            "KID's floor": (1, spread_row("kid", floor[..., 1], half, None, smaller=smaller[..., 1])),
        }
        for _ in range(fresh):
            new = both(features(kind, half, rng), features(kind, half, rng))
            for name, (which, row) in rows.items():
                assert row.low is not None
                assert row.high is not None
                held[name].append(row.low <= new[which] <= row.high)
    return {name: float(np.mean(found)) for name, found in held.items()}


@pytest.mark.slow
@pytest.mark.parametrize("n", [70, 100, 200])
@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "skewed", "phantoms"])
def test_bounds_hold_new_draws(kind, n):
    """90 % are meant, 88 are asked of every cell; 60 repetitions have a standard error of about 2.5 points."""
    found = coverage(kind, n, repetitions=60)
    assert min(found.values()) >= 0.83, found


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_spread_at_this_n_is_that_of_fresh_draws(shift):
    """FD and neighbour scores of 40 against 40: from 80 images a side, and from 1,500 fresh draws."""
    rng = np.random.default_rng(1)

    def scores(x: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
        return frechet_distance(x, y), *astuple(neighbour_scores(x, y))

    fresh = np.array([scores(draw(rng, 40, shift), draw(rng, 40)) for _ in range(1500)])
    found = []
    for seed in range(60):
        values = at_equal_n(draw(rng, 80, shift), draw(rng, 80), scores, n=40, splits=10, seed=seed)
        found.append([(s.mean, s.sd**2) for s in (spread_of(values[..., j], n=40) for j in range(6))])
    mean, variance = np.mean(found, axis=0).T
    assert np.all(np.abs(mean - fresh.mean(axis=0)) < 0.35 * fresh.std(axis=0))
    np.testing.assert_allclose(np.sqrt(variance), fresh.std(axis=0), rtol=0.15)


@pytest.mark.slow
def test_floor_is_that_of_fresh_draws_of_one_distribution():
    """Random halves of the same photographs have the permutation distribution: here within 15 %."""
    rng = np.random.default_rng(2)
    fresh = np.array([frechet_distance(draw(rng, 40), draw(rng, 40)) for _ in range(1500)])
    found = [
        spread_of(half_against_half(draw(rng, 80), frechet_distance, n=40, seed=seed), n=40) for seed in range(100)
    ]
    assert np.mean([one.mean for one in found]) == pytest.approx(fresh.mean(), rel=0.05)
    assert np.sqrt(np.mean([one.sd**2 for one in found])) == pytest.approx(fresh.std(), rel=0.15)
