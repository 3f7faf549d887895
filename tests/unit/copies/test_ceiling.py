"""The ceiling against Gumbel's law, and planted pairs that must not lift it."""

import numpy as np
import pytest

from woundgen.copies.ceiling import LOWEST, SAME_SCENE, CopyCeiling, estimate_ceiling


def chance(n: int, seed: int, *, location: float = 4.6, spread: float = 0.6) -> np.ndarray:
    """Scores of photographs of different scenes, as measured on foot-ulcer photographs."""
    return np.rint(np.random.default_rng([n, seed]).gumbel(location, spread, n)).astype(int)


@pytest.mark.parametrize(("location", "spread"), [(5.5, 0.8), (6.0, 1.0)])
def test_the_quantile_of_many_scores_is_gumbels(location: float, spread: float):
    exact = location - spread * np.log(-np.log(0.99))
    found = [
        estimate_ceiling(chance(2000, seed, location=location, spread=spread), level=0.99).fitted for seed in range(5)
    ]
    assert abs(np.mean(found) - np.ceil(exact - 0.5)) <= 0.6  # rounded scores; Gumbel 1958: m - s log(-log p)


@pytest.mark.parametrize("n", [40, 80, 120, 200])
def test_planted_pairs_move_detection_by_at_most_three_points(n: int):
    """k pairs of one scene that stayed below SAME_SCENE, so that nobody recognised them: the worst there is.

    Copies score as measured: median 45, one in twenty below 14.
    """
    copies = np.exp(np.random.default_rng(1).normal(np.log(45), 0.7, 20_000))
    rates = []
    for pairs in range(6):
        found = []
        for seed in range(10):
            scores = chance(n, seed)
            scores[: 2 * pairs] = np.random.default_rng(seed).integers(LOWEST + 1, SAME_SCENE, 2 * pairs)
            ceiling = estimate_ceiling(scores, level=0.99)
            assert ceiling.is_supported or 2 * pairs >= 0.2 * n
            found.append((copies > ceiling.value).mean())
        rates.append(np.mean(found))
    assert max(rates) - min(rates) <= 0.03
    assert min(rates) >= 0.95


def test_references_that_agree_by_chance_in_many_places_support_no_ceiling():
    ceiling = estimate_ceiling(chance(80, 0, location=12, spread=2), level=0.99)
    assert not ceiling.is_supported
    assert ceiling.statement().startswith("no copy ceiling")
    assert "different scenes agree in up to" in ceiling.statement()


def test_photographs_that_share_something_support_no_ceiling():
    ceiling = estimate_ceiling(chance(80, 0), level=0.99, pairs=900, crowded=0.8)
    assert not ceiling.is_supported
    assert "80% of them match 5 or more others" in ceiling.statement()


def test_the_sentence_carries_value_interval_and_n():
    ceiling = CopyCeiling(value=8, n=60, level=0.99, fitted=8, low=7, high=9, above=1, pairs=2, crowded=0.0)
    said = ceiling.statement()
    for part in ("more than 8 places", "95 % interval 7 to 9", "n = 60", "1 above it", "2 pairs of the same scene"):
        assert part in said


def test_limits():
    assert estimate_ceiling(np.full(20, 3), level=0.99).value == LOWEST
    assert estimate_ceiling(np.array([0] * 10), level=0.99).value == LOWEST
