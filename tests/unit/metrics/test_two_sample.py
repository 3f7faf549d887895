"""The two-sample test: its folds, floor and p with a stand-in classifier of known power, then the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest

from woundgen.errors import UserError
from woundgen.events import complete
from woundgen.metrics.two_sample import (
    HeldOutPredictions,
    SampleSide,
    Verdicts,
    cross_fit_tasks,
    permutation_p,
    permutation_tasks,
    plan_comparisons,
    telltale_patches,
)
from woundgen.metrics.two_sample_network import crop_side, fit_and_judge, patch_corners
from woundgen.metrics.two_sample_rows import measure_two_sample
from woundgen.phantoms import draw_phantoms


def by_brightness(first: np.ndarray, second: np.ndarray, query: np.ndarray, seed: int) -> Verdicts:
    """A classifier that knows the mean of each image alone: nearer to which side's mean."""
    left, right, asked = (images.mean(axis=(1, 2, 3)) for images in (first, second, query))
    logits = np.abs(asked - right.mean()) - np.abs(asked - left.mean())
    return Verdicts(logits, np.repeat(logits[:, None], 16, axis=1))


def flat(levels: np.ndarray, side: int = 64) -> np.ndarray:
    """An even grey image of each level."""
    return np.broadcast_to(np.round(levels).astype(np.uint8)[:, None, None, None], (len(levels), side, side, 3))


def levels(count: int, mean: float, seed: int) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, 20, count), 0, 255)


def test_no_group_is_trained_on_and_held_out() -> None:
    codes = np.repeat(np.arange(9), 4)
    images = flat(np.arange(36.0))
    sides = SampleSide(images, np.arange(36), codes), SampleSide(images, np.arange(20), np.arange(100, 120))
    tasks = cross_fit_tasks(sides, seed=3)
    for side in (0, 1):
        held = np.concatenate([task.held_out[side] for task in tasks])
        assert sorted(held) == list(range(len(sides[side].rows)))
        for task in tasks:
            trained = np.delete(sides[side].units, task.held_out[side])
            assert not set(trained) & set(sides[side].units[task.held_out[side]])


def test_comparisons_are_at_equal_n_and_the_ceiling_is_of_other_photographs() -> None:
    real, groups = flat(levels(60, 100, 0)), [str(k // 3) for k in range(60)]
    planned = plan_comparisons(flat(levels(90, 100, 1)), real, n=27, real_groups=groups, through=real, seed=2)
    assert set(planned) == {"", "floor", "ceiling"}
    for comparisons in planned.values():
        assert len(comparisons) == 2
        for left, right in comparisons:
            assert len(left.rows) == len(right.rows) == 27
            assert not set(left.units) & set(right.units)
    (first, _), (second, _) = planned[""]
    assert not set(first.rows) & set(second.rows)


def test_accuracy_is_the_known_one_and_the_floor_is_half() -> None:
    """Two normal distributions 2 deviations apart: the best threshold is right with probability Phi(1) = 0.841."""
    expected = ((levels(400, 140, 0) > 120).mean() + (levels(400, 100, 1) < 120).mean()) / 2
    assert expected == pytest.approx(0.841, abs=0.04)
    found = complete(
        measure_two_sample(
            flat(levels(400, 140, 0)), flat(levels(400, 100, 1)), through=flat(levels(400, 140, 2)), fit=by_brightness
        )
    )
    table = {row.label: row for row in found.rows}
    assert table[""].value == pytest.approx(expected, abs=0.02)
    assert table["ceiling"].value == pytest.approx(0.841, abs=0.04)
    assert table["floor"].value == pytest.approx(0.5, abs=0.06)
    assert table[""].n == table["floor"].n == table["ceiling"].n == (400, 400)
    assert table[""].low < table[""].value < table[""].high


def test_interval_is_exact_binomial_of_independent_cases() -> None:
    right = np.r_[np.ones(30), -np.ones(10), -np.ones(33), np.ones(7)]
    first = np.arange(80) < 40
    held_out = HeldOutPredictions(first, np.arange(80), np.arange(80), right, right[:, None])
    expected = binomtest(63, 80).proportion_ci(0.95, "exact")
    found = held_out.interval()
    assert (found.value, found.low, found.high) == pytest.approx((63 / 80, expected.low, expected.high))
    # Four photographs a patient are one case: 20 of them.
    grouped = HeldOutPredictions(first, np.arange(80), np.arange(80) // 4, right, right[:, None]).interval()
    assert grouped.value == found.value
    assert grouped.high - grouped.low > 1.7 * (found.high - found.low)
    assert "20 independent cases" in grouped.text


def test_interval_at_certainty_has_a_width() -> None:
    """All of n right: the lower bound is 0.025 ** (1 / n)."""
    logits = np.r_[np.ones(35), -np.ones(35)]
    found = HeldOutPredictions(logits > 0, np.arange(70), np.arange(70), logits, logits[:, None]).interval()
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 70)), 1.0)


@pytest.mark.slow
def test_p_is_small_for_a_difference_and_uniform_without() -> None:
    def p(seed: int, mean: float) -> float:
        real = flat(levels(30, 100, seed))
        found = complete(
            measure_two_sample(flat(levels(30, mean, 1000 + seed)), real, permutations=19, seed=seed, fit=by_brightness)
        )
        text = found.rows[0].interval
        assert "19 refits" in text
        return float(text.partition("p = ")[2].split(",")[0])

    assert p(0, 150) == pytest.approx(1 / 20)
    under_null = [p(seed, 100) for seed in range(40)]
    assert np.mean(np.array(under_null) <= 0.1) <= 0.25  # expected 0.1; 0.25 has probability 0.005
    assert np.mean(under_null) > 0.35


def test_no_p_is_said_where_none_was_asked_for() -> None:
    found = complete(measure_two_sample(flat(levels(20, 90, 0)), flat(levels(20, 100, 1)), fit=by_brightness))
    assert "no p asked for" in found.rows[0].interval
    assert "p =" not in found.rows[0].interval


def test_permutations_take_one_photograph_a_patient() -> None:
    real, groups = flat(levels(40, 100, 0)), [str(k // 4) for k in range(40)]
    tasks = permutation_tasks(flat(levels(40, 100, 1)), real, permutations=3, real_groups=groups)
    assert len(tasks) == 4
    for some in tasks:
        assert sum(len(task.held_out[0]) for task in some) == 10
    orders = [np.concatenate([task.sides[0].rows for task in some[:1]]) for some in tasks]
    assert sorted(orders[0]) == list(range(10))
    assert not np.array_equal(orders[0], orders[1])


def test_permutation_p_counts_ties() -> None:
    assert permutation_p([0.7, 0.7, 0.6, 0.8]) == 3 / 4
    assert permutation_p([0.9, 0.1, 0.2, 0.3]) == 1 / 4


def test_telltale_patches_are_the_surest_one_an_image() -> None:
    patches = np.array([[0.0, 3.0], [5.0, 4.0], [-2.0, -9.0], [6.0, -1.0]])
    first = np.array([True, True, False, False])
    held_out = HeldOutPredictions(first, np.array([7, 8, 0, 1]), np.arange(4), patches.mean(axis=1), patches)
    assert telltale_patches(held_out, first=True, count=5) == [(8, 0, 5.0), (7, 1, 3.0)]
    assert telltale_patches(held_out, first=False, count=1) == [(0, 1, -9.0)]


def test_too_few_images_are_refused() -> None:
    with pytest.raises(UserError, match="two_sample needs 8"):
        complete(measure_two_sample(flat(levels(14, 90, 0)), flat(levels(14, 90, 1)), fit=by_brightness))


def test_patches_reach_every_corner() -> None:
    corners, size = patch_corners(128), crop_side(128)
    assert (0, 0) in corners
    assert (128 - size, 128 - size) in corners
    assert crop_side(32) == 24


@pytest.fixture(scope="module")
def phantoms() -> np.ndarray:
    return draw_phantoms(range(48), seed=77, size=64).images


def test_network_does_not_depend_on_threads(phantoms: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("woundgen.metrics.two_sample_network.STEPS", 6)
    sides = (
        SampleSide(phantoms, np.arange(24), np.arange(24)),
        SampleSide(phantoms, np.arange(24, 48), np.arange(24, 48)),
    )
    from woundgen.metrics import two_sample_rows

    found, before = [], torch.get_num_threads()
    for processors in (1, 3):
        monkeypatch.setattr(two_sample_rows, "_processors", lambda processors=processors: processors)
        torch.set_num_threads(processors)
        verdicts = complete(two_sample_rows.run_tasks(cross_fit_tasks(sides), fit_and_judge))
        assert torch.get_num_threads() == processors
        found.append(np.concatenate([one.logits for one in verdicts]))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_network_tells_blur_and_cannot_tell_halves() -> None:
    real = draw_phantoms(range(160), seed=78, size=96).images
    blurred = gaussian_filter(real[:80], sigma=(0, 0.8, 0.8, 0))
    found = {row.label: row for row in complete(measure_two_sample(blurred, real[80:])).rows}
    assert found[""].value > 0.8
    assert 0.33 < found["floor"].value < 0.67
