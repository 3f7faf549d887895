"""Multinomial logistic regression by a fixed number of full-batch steps. Every arm gets as many steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEPS = 150
PENALTY = 1.0  # ridge on standardised features: 64 of them and 20 photographs a phase need much of it
VERSION = 1


@dataclass(frozen=True, slots=True)
class Linear:
    """mean, scale: [d], of the training list. coefficients: [d + 1, K], the last row the intercept."""

    mean: Array
    scale: Array
    coefficients: Array

    def predict(self, features: Array) -> Array:
        """Probabilities [n, K]."""
        standard = (features - self.mean) / self.scale
        return softmax(standard @ self.coefficients[:-1] + self.coefficients[-1])


def fit_linear(
    features: Array,
    labels: npt.NDArray[np.integer],
    times: npt.NDArray[np.integer],
    *,
    classes: int,
    steps: int = STEPS,
    penalty: float = PENALTY,
) -> Linear:
    """Minimise mean cross-entropy, each phase with equal weight, + penalty/2 |w|^2.

    features: [n, d]; labels: [n] in 0..K-1; times: [n], how often each row stands in the training list.
    Accelerated gradient descent (Nesterov 1983) at the rate its Lipschitz bound allows, from zero.
    """
    share = times / np.bincount(labels, times, minlength=classes)[labels] / len(np.unique(labels))
    mean = share @ features
    scale = np.sqrt(share @ (features - mean) ** 2) + 1e-9
    design = np.column_stack([(features - mean) / scale, np.ones(len(features))])
    target = np.eye(classes)[labels]
    ridge = np.append(np.full(features.shape[1], penalty), 0.0)[:, None]
    rate = 1 / (0.5 * np.linalg.norm(design * np.sqrt(share)[:, None], 2) ** 2 + penalty)
    weight = ahead = np.zeros((design.shape[1], classes))
    for step in range(steps):
        gap = (softmax(design @ ahead) - target) * share[:, None]
        moved = ahead - rate * (design.T @ gap + ridge * ahead)
        weight, ahead = moved, moved + step / (step + 3) * (moved - weight)
    return Linear(mean, scale, weight)


def softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
