"""It learns what a glance can see, equal seeds give equal networks, and lists count by phase."""

from __future__ import annotations

import numpy as np
import torch

from woundgen.downstream.cnn import shrink, train_cnn

RNG = np.random.default_rng(0)
LABELS = np.arange(24) % 2
IMAGES = RNG.integers(0, 60, (24, 32, 32, 3)).astype(np.uint8)
IMAGES[LABELS == 1, 8:24, 8:24, 0] += 120
ROWS, QUERY = np.arange(16), np.arange(16, 24)


def predict(seed: int, rows: np.ndarray = ROWS) -> np.ndarray:
    return train_cnn(shrink(IMAGES), rows, LABELS[rows], QUERY, classes=2, seed=seed, steps=15)


def test_learns_and_repeats_itself() -> None:
    first = predict(1)
    assert (first.argmax(axis=1) == LABELS[QUERY]).all()
    torch.manual_seed(99)  # nothing depends on the global generator
    assert (predict(1) == first).all()
    assert (predict(2) != first).any()


def test_values_are_in_minus_one_to_one() -> None:
    small = shrink(np.full((1, 128, 128, 3), 255, np.uint8))
    assert small.shape == (1, 3, 64, 64)
    assert (small == 1).all()
