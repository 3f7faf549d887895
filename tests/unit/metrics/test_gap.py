"""Gap closed at its two ends, its refusals, and its coverage in simulation."""

import numpy as np
import pytest

from woundgen.errors import UserError
from woundgen.metrics.frechet import frechet_distance
from woundgen.metrics.gap import gap_closed, measure_gap
from woundgen.metrics.rows import Network

SPECTRUM = np.arange(1, 17) ** -0.5
NETWORK = Network("embedded", "abc")


def draw(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal((n, 16)) * SPECTRUM


def three_sets(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Base and tuned from the same noise; tuned is nearer to real."""
    noise = draw(rng, n)
    base, tuned = 1.3 * noise, 0.9 * noise + 0.3 * draw(rng, n)
    base[:, :4] += 1.0
    tuned[:, :4] += 0.4
    return base, tuned, draw(rng, n)


def test_no_tuning_closes_nothing_and_perfect_images_close_all():
    rng = np.random.default_rng(0)
    base, _, real = three_sets(rng, 120)
    assert gap_closed(base, base.copy(), real).share.value == 0
    perfect = gap_closed(base, draw(rng, 120), real).share
    assert perfect.low < 1 < perfect.high


def test_all_three_distances_are_at_one_n_below_half():
    base, tuned, real = three_sets(np.random.default_rng(1), 100)
    found = gap_closed(base, tuned, real, folds=20)
    assert found.n == 45
    assert found.share.value == pytest.approx((found.base - found.tuned) / (found.base - found.floor))
    assert found.floor < found.tuned < found.base


def test_patients_stay_whole():
    """Photographs in identical pairs: were they split, the halves would be alike and the floor near 0."""
    rng = np.random.default_rng(2)
    base, tuned, real = three_sets(rng, 60)
    doubled, patients = np.repeat(real, 2, axis=0), np.repeat(np.arange(60), 2).tolist()
    whole = gap_closed(base, tuned, doubled, real_groups=patients)
    assert whole.floor > 1.3 * gap_closed(base, tuned, doubled).floor


def test_one_row_that_names_its_distances():
    base, tuned, real = three_sets(np.random.default_rng(3), 60)
    (row,) = measure_gap(base, tuned, real, network=NETWORK)
    assert (row.metric, row.network, row.digest) == ("gap_closed", "embedded", "abc")
    assert row.low is not None
    assert row.low < row.value < row.high
    assert "floor" in row.interval


def test_refusals():
    base, tuned, real = three_sets(np.random.default_rng(4), 60)
    with pytest.raises(UserError, match="no gap to close"):
        gap_closed(real, tuned, real)
    with pytest.raises(UserError, match="not the same seeds"):
        measure_gap(base, tuned[:50], real, network=NETWORK)
    with pytest.raises(UserError, match="needs 20 images"):
        measure_gap(base[:15], tuned[:15], real, network=NETWORK)


@pytest.mark.slow
def test_interval_covers_at_least_at_its_rate():
    """Truth at n = 45: the ratio of mean distances over 3,000 fresh draws."""
    rng = np.random.default_rng(5)
    distances = []
    for _ in range(3000):
        base, tuned, real = three_sets(rng, 90)
        pairs = ((base[:45], real[:45]), (tuned[:45], real[:45]), (real[45:], real[:45]))
        distances.append([frechet_distance(x, y) for x, y in pairs])
    base_mean, tuned_mean, floor_mean = np.mean(distances, axis=0)
    truth = (base_mean - tuned_mean) / (base_mean - floor_mean)
    found = [gap_closed(*three_sets(rng, 100), seed=seed) for seed in range(400)]
    assert {one.n for one in found} == {45}
    hits = [one.share.low <= truth <= one.share.high for one in found]
    assert 0.94 <= np.mean(hits) <= 0.995
    width = np.mean([one.share.high - one.share.low for one in found])
    assert width < 3 * 2 * np.std([one.share.value for one in found])  # honest, and not by being endless
