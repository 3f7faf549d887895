"""Figures of merit and their values without a group, against libraries, and against values computed anew."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from woundgen.study import merit
from woundgen.study.merit import Cases

VANDYKE = runpy.run_path(str(Path(__file__).with_name("vandyke.py")))
TRUTH = VANDYKE["TRUTH"]
CASES = Cases(TRUTH, np.arange(114))


def test_area_without_a_case_is_the_area_of_the_rest() -> None:
    ratings = VANDYKE["ratings"](2)
    area = merit.auc(ratings, CASES)
    for case in (0, 30, 68, 69, 113):
        rest = np.delete(np.arange(114), case)
        expected = [roc_auc_score(TRUTH[rest], row[rest]) for row in ratings]
        assert area.left_out[:, case] == pytest.approx(expected, abs=1e-12)


def test_groups_are_left_out_whole() -> None:
    """Two photographs of a patient go together; against the values recomputed without them."""
    rng = np.random.default_rng(3)
    synthetic = np.repeat([True, False], [8, 12])
    groups = np.array([*range(8), 8, 8, 9, 9, 9, 10, 11, 12, 13, 14, 15, 15])
    cases, calls = Cases(synthetic, groups), (rng.random((3, 20)) < 0.5).astype(float)
    accurate = merit.accuracy(calls, cases)
    for group in range(16):
        rest = groups != group
        own = (calls[:, rest & synthetic].mean(axis=1) + 1 - calls[:, rest & ~synthetic].mean(axis=1)) / 2
        assert accurate.left_out[:, group] == pytest.approx(own)


def test_missing_answers_count_for_nobody() -> None:
    calls = np.array([[1, 1, 0, np.nan, 0, 0, 1, 0.0], [1, 0, 1, 1, 0, np.nan, 0, 0]])
    cases = Cases(np.repeat([True, False], 4), np.arange(8))
    assert merit.sensitivity(calls, cases).value == pytest.approx([2 / 3, 3 / 4])
    assert merit.specificity(calls, cases).value == pytest.approx([3 / 4, 1])
    assert merit.accuracy(calls, cases).answered.tolist() == [7, 7]


def test_area_with_missing_ratings_is_that_of_the_others() -> None:
    ratings = VANDYKE["ratings"](1)[:1].copy()
    ratings[0, [3, 77]] = np.nan
    there = np.isfinite(ratings[0])
    assert merit.auc(ratings, CASES).value[0] == pytest.approx(roc_auc_score(TRUTH[there], ratings[0, there]))


def test_area_by_ranks() -> None:
    """Mann & Whitney (1947): the area is the rank sum of one side, shifted and scaled."""
    ratings = VANDYKE["ratings"](2)
    ranks = rankdata(ratings, axis=1)
    n, m = TRUTH.sum(), (~TRUTH).sum()
    assert merit.auc(ratings, CASES).value == pytest.approx((ranks[:, TRUTH].sum(axis=1) - n * (n + 1) / 2) / (n * m))


def test_d_prime_with_the_log_linear_correction() -> None:
    """Hautus (1995): (hits + 0.5) / (n + 1). 20 and 10 of 25: z(20.5 / 26) - z(10.5 / 26) = 0.8011 + 0.2434."""
    calls = np.array([[1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15])
    cases = Cases(np.repeat([True, False], 25), np.arange(50))
    found = merit.d_prime(calls, cases).value[0]
    assert found == pytest.approx(0.8011 + 0.2434, abs=2e-4)


def test_a_group_on_two_sides_is_refused() -> None:
    with pytest.raises(AssertionError, match="one side"):
        Cases(np.array([True, False]), np.array([0, 0]))
