"""Kappas against published tables and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from woundgen.study.agreement import agree_among, agree_in_pairs, cohen_kappa, fleiss_kappa

# The worked example of Fleiss' kappa in Wikipedia (14 raters, 10 subjects, 5 categories): kappa 0.210.
FOURTEEN_RATERS = np.array(
    [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ],
    float,
)  # fmt: skip
# Landis & Koch style 2 x 2 of the same page on Cohen's kappa: 20, 5 / 10, 15 gives 0.40.
FIFTY_GRANTS = np.array([[20, 5], [10, 15]], float)


def test_fleiss_kappa_of_the_published_table() -> None:
    assert fleiss_kappa(FOURTEEN_RATERS) == pytest.approx(0.210, abs=5e-4)


def test_cohen_kappa_of_the_published_table() -> None:
    assert cohen_kappa(FIFTY_GRANTS) == pytest.approx(0.40, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_cohen_kappa_is_that_of_scikit_learn(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 80)
    second = np.clip(first + rng.integers(-1, 3, 80), 0, 4)
    found = agree_in_pairs(first.astype(float), second.astype(float), 5, weighted=weighted)
    assert found is not None
    expected = cohen_kappa_score(first, second, weights="quadratic" if weighted else None)
    assert found.kappa == pytest.approx(expected, abs=1e-12)
    assert found.n == 80


def test_interval_of_kappa_is_near_the_analytic_one() -> None:
    """Fleiss, Cohen & Everitt (1969) at the 2 x 2 above: standard error 0.128 of kappa 0.40."""
    first = np.repeat([0.0, 0.0, 1.0, 1.0], [20, 5, 10, 15])
    second = np.repeat([0.0, 1.0, 0.0, 1.0], [20, 5, 10, 15])
    found = agree_in_pairs(first, second, 2)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 / 2.0096 == pytest.approx(0.128, abs=0.006)


def test_missing_answers_are_left_out() -> None:
    answers = np.array([[0, 1, 0, 1, np.nan, 1], [0, 1, 0, 0, 1, np.nan], [0, 1, 1, 0, np.nan, np.nan]], float)
    found = agree_among(answers, 2)
    assert found is not None
    assert found.n == 4  # the fifth has one answer, the sixth too
    assert agree_among(answers[:, 3:], 2) is None


def test_equal_answers_throughout_have_no_kappa() -> None:
    found = agree_in_pairs(np.zeros(10), np.zeros(10), 2)
    assert found is not None
    assert found.kappa is None
    assert found.share == 1


def test_perfect_agreement_has_no_interval() -> None:
    same = np.array([0.0, 1.0] * 6)
    found = agree_in_pairs(same, same, 2)
    assert found is not None
    assert found.kappa == 1
    assert found.low is None
