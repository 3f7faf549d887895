"""Scores of single images: against numpy by hand, and the order that each of them has to give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from woundgen.study.image_scores import score_images

NAMES = ("distance from the photographs (term of FD)", "two-sample classifier, log odds", "realism")


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, synthetic, how far each image was moved away from the photographs)."""
    rng = np.random.default_rng(0)
    synthetic = np.arange(120) >= 60
    moved = np.where(synthetic, np.linspace(0, 6, 120), 0)
    features = rng.normal(size=(120, 6))
    features[:, 0] += moved
    return features, synthetic, moved


def test_photographs_have_no_score(pictures: tuple[np.ndarray, ...]) -> None:
    features, synthetic, _ = pictures
    scores = score_images(features, synthetic)
    assert tuple(scores) == NAMES
    for values in scores.values():
        assert (np.isfinite(values) == synthetic).all()


def test_distance_is_mahalanobis_of_the_shrunk_covariance(pictures: tuple[np.ndarray, ...]) -> None:
    features, synthetic, _ = pictures
    real = features[~synthetic]
    inverse = np.linalg.inv(ledoit_wolf(real)[0])
    expected = [mahalanobis(row, real.mean(axis=0), inverse) ** 2 for row in features[synthetic]]
    assert score_images(features, synthetic)[NAMES[0]][synthetic] == pytest.approx(expected)


@pytest.mark.parametrize(("name", "sign"), [*zip(NAMES, (1, 1, -1), strict=True)])
def test_what_lies_farther_away_scores_so(pictures: tuple[np.ndarray, ...], name: str, sign: int) -> None:
    features, synthetic, moved = pictures
    values = score_images(features, synthetic)[name]
    far, near = synthetic & (moved > 5), synthetic & (moved < 3.6)
    assert sign * np.median(values[far]) > sign * np.median(values[near])


def test_few_images_have_no_scores() -> None:
    assert score_images(np.zeros((29, 3)), np.arange(29) >= 20) == {}
