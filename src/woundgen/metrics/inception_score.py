"""Inception score: Salimans et al., "Improved techniques for training GANs" (2016)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

Array = npt.NDArray[np.floating]

MANY_IMAGES = 1000


def customary_splits(count: int) -> int:
    """10 splits as everywhere, but 1 below 1000 images: a split of 10 images cannot score above 10."""
    return 10 if count >= MANY_IMAGES else 1


def inception_score(probabilities: Array) -> float:
    """exp of the mean KL(p(y|x) || p(y)), averaged over consecutive splits; rows [n, classes] sum to 1.

    Between 1 and the number of classes or of images a split. Rises with n; knows nothing of the real set.
    """
    splits = np.array_split(np.asarray(probabilities, np.float64), customary_splits(len(probabilities)))
    return float(np.mean([_score_of_split(split) for split in splits]))


def _score_of_split(conditional: npt.NDArray[np.float64]) -> float:
    marginal = conditional.mean(axis=0)
    negative_entropy = xlogy(conditional, conditional).sum(axis=1).mean()
    return float(np.exp(negative_entropy - xlogy(marginal, marginal).sum()))
