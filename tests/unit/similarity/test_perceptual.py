"""The embedding form of LPIPS against its direct formula."""

import numpy as np

from woundgen.similarity import perceptual
from woundgen.similarity.perceptual import embed, pairwise_squared_distances


def random_layers(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((8, 16, 16), (16, 8, 8), (5, 4, 3))
    return [rng.standard_normal((count, *shape)).astype(np.float32) for shape in shapes]


def direct_lpips(left: list[np.ndarray], right: list[np.ndarray], weights: list[np.ndarray]) -> float:
    """lpips.LPIPS.forward on one pair: unit length, squared difference, lin, spatial mean, sum of layers."""
    total = 0.0
    for a, b, weight in zip(left, right, weights, strict=True):
        unit_a = a / (np.sqrt((a**2).sum(axis=0)) + 1e-10)
        unit_b = b / (np.sqrt((b**2).sum(axis=0)) + 1e-10)
        total += float((weight[:, None, None] * (unit_a - unit_b) ** 2).sum(axis=0).mean())
    return total


def test_embedding_form_equals_the_direct_form(monkeypatch):
    monkeypatch.setattr(perceptual, "COLUMNS_AT_ONCE", 1000)  # several blocks
    left, right = random_layers(3, 0), random_layers(4, 1)
    for a, b in zip(left, right, strict=True):
        b[0] = a[0]  # a copy
        b[1] = a[1] + 0.01 * b[1]  # nearly one
    weights = [np.random.default_rng(2).random(layer.shape[1]).astype(np.float32) for layer in left]
    expected = [
        [direct_lpips([x[i] for x in left], [y[j] for y in right], weights) for j in range(4)] for i in range(3)
    ]
    found = pairwise_squared_distances(embed(left, weights), embed(right, weights))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert found.min() >= 0


def test_without_weights_every_channel_counts_once():
    left, right = random_layers(1, 3), random_layers(1, 4)
    ones = [np.ones(layer.shape[1], np.float32) for layer in left]
    found = pairwise_squared_distances(embed(left), embed(right))
    np.testing.assert_allclose(found, direct_lpips([x[0] for x in left], [y[0] for y in right], ones), atol=1e-5)


def test_a_silent_position_does_not_divide_by_zero():
    assert np.all(embed([np.zeros((1, 3, 2, 2))]) == 0)


def test_the_scale_of_the_activations_does_not_matter():
    layers = random_layers(1, 5)
    np.testing.assert_allclose(embed(layers), embed([7 * layer for layer in layers]), rtol=1e-5)
