"""Scores against scikit-learn and, where it has none, term by term."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, recall_score

from woundgen.downstream.scores import (
    brier,
    calibration_error,
    class_f1,
    class_recall,
    cohen_kappa,
    confusion_by_group,
    macro_f1,
)

RNG = np.random.default_rng(4)
TRUTH = RNG.integers(0, 3, 60)
PREDICTED = np.where(RNG.random((2, 60)) < 0.6, TRUTH, RNG.integers(0, 3, (2, 60)))
GROUPS = np.repeat(np.arange(12), 5)


def test_counts_add_up_to_the_confusion_matrix_of_each_group() -> None:
    counts = confusion_by_group(TRUTH, PREDICTED, GROUPS, classes=3)
    assert counts.shape == (2, 12, 3, 3)
    assert (counts.sum(axis=1)[1] == confusion_matrix(TRUTH, PREDICTED[1])).all()
    own = GROUPS == 7
    assert (counts[0, 7] == confusion_matrix(TRUTH[own], PREDICTED[0, own], labels=[0, 1, 2])).all()


def test_scores_are_scikit_learns() -> None:
    counts = confusion_by_group(TRUTH, PREDICTED, GROUPS, classes=3).sum(axis=1)
    for row, predicted in enumerate(PREDICTED):
        assert cohen_kappa(counts)[row] == pytest.approx(cohen_kappa_score(TRUTH, predicted))
        assert macro_f1(counts)[row] == pytest.approx(f1_score(TRUTH, predicted, average="macro"))
        assert class_f1(counts)[row] == pytest.approx(f1_score(TRUTH, predicted, average=None))
        assert class_recall(counts)[row] == pytest.approx(recall_score(TRUTH, predicted, average=None))


def test_one_phase_everywhere_is_agreement_by_chance() -> None:
    assert cohen_kappa(np.array([[5, 0], [0, 0]])) == 0
    assert class_f1(np.array([[5, 0], [0, 0]])).tolist() == [1, 0]


def test_brier_at_its_ends_and_between() -> None:
    probabilities = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25]])
    assert brier(probabilities, np.array([0, 0, 0])) == pytest.approx([0, 2, 0.25 + 2 * 0.0625])


def test_calibration_error_is_the_gap_of_each_bin() -> None:
    """Two bins: confidence .6 and right half of the time, confidence .9 and always right."""
    probabilities = np.array([[0.6, 0.4]] * 4 + [[0.9, 0.1]] * 4)
    truth = np.array([0, 0, 1, 1, 0, 0, 0, 0])
    assert calibration_error(probabilities, truth, bins=2) == pytest.approx((0.1 + 0.1) / 2)
