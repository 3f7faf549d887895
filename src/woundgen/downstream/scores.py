"""Scores of a classifier, as pure functions of confusion counts and probabilities.

Counts are int [..., K, K]: rows are the true phase, columns the predicted one. Leading axes stay: seeds, and
sets of test groups with one left out, are scored in one call.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Counts = npt.NDArray[np.integer]


def confusion_by_group(truth: Counts, predicted: Counts, groups: Counts, *, classes: int) -> npt.NDArray[np.int64]:
    """Counts [..., G, K, K] of truth [T] and predicted [..., T]; groups [T] are 0..G-1."""
    number = int(groups.max()) + 1
    cells = (groups * classes + truth) * classes + predicted
    size = number * classes * classes
    flat = np.stack([np.bincount(row, minlength=size) for row in cells.reshape(-1, len(truth))])
    return flat.reshape(*predicted.shape[:-1], number, classes, classes)


def cohen_kappa(counts: Counts) -> npt.NDArray[np.float64]:
    """Agreement beyond chance (Cohen 1960), in [-1, 1]; 0 where chance alone explains all of it."""
    total = counts.sum(axis=(-2, -1))
    agreed = np.trace(counts, axis1=-2, axis2=-1) / total
    chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
    return np.where(chance < 1, (agreed - chance) / np.where(chance < 1, 1 - chance, 1), 0.0)


def class_f1(counts: Counts) -> npt.NDArray[np.float64]:
    """[..., K]: 2 TP / (true + predicted); 0 where a phase is neither there nor predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return 2 * hits / np.maximum(both, 1)


def macro_f1(counts: Counts) -> npt.NDArray[np.float64]:
    """Mean of the phases' F1, each phase with the same weight."""
    return class_f1(counts).mean(axis=-1)


def class_recall(counts: Counts) -> npt.NDArray[np.float64]:
    """[..., K]: share of a phase's images that are called by its name."""
    return np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum(axis=-1), 1)


def brier(probabilities: Array, truth: Counts) -> npt.NDArray[np.float64]:
    """Per image [..., T] of probabilities [..., T, K] (Brier 1950): 0 is sure and right, 2 sure and wrong."""
    return ((probabilities - np.eye(probabilities.shape[-1])[truth]) ** 2).sum(axis=-1)


def calibration_error(probabilities: Array, truth: Counts, *, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over `bins` bins of equal count (Naeini et al. 2015).

    probabilities: [T, K]. Above 0 even for a calibrated classifier, the more so the fewer images there are.
    """
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == truth
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(truth))
