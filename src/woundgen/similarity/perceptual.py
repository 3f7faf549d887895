"""The LPIPS form of perceptual distance, as a squared Euclidean distance between vectors.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018), eq. 1:

    d(a, b) = sum over layers l of 1 / (H_l W_l) * sum over h, w, c of w_lc (a_lchw - b_lchw)^2

with activations scaled to unit length over the channels. Moving sqrt(w / (H W)) into the activations makes d
the squared distance of one vector an image, so N x M pairs cost N + M passes of the network, not 2 N M.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

NORM_EPSILON = 1e-10  # added to the norm, as in richzhang/PerceptualSimilarity
COLUMNS_AT_ONCE = 65_536  # accumulating blocks in float64 keeps the digits of two million float32 products


def embed(layers: Sequence[Array], weights: Sequence[Array] | None = None) -> Array:
    """Layers [N, C, H, W] and their channel weights [C] >= 0 (None: all 1) -> [N, sum of C H W]."""
    assert weights is None or len(weights) == len(layers), "one weight vector a layer"
    parts = []
    for number, layer in enumerate(layers):
        weight = np.ones(layer.shape[1]) if weights is None else np.asarray(weights[number])
        assert weight.min() >= 0, "a negative channel weight has no square root"
        unit = layer / (np.linalg.norm(layer, axis=1, keepdims=True) + NORM_EPSILON)
        scale = np.sqrt(weight / (layer.shape[2] * layer.shape[3])).astype(layer.dtype)
        parts.append((unit * scale[:, None, None]).reshape(len(layer), -1))
    return np.concatenate(parts, axis=1)


def pairwise_squared_distances(
    left: Array, right: Array, *, right_norms: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """[N, M] squared distances of rows [N, D] and [M, D], as |a|^2 + |b|^2 - 2ab: one matrix product.

    right_norms [M]: squared_norms(right), where many blocks of rows are compared with the same.
    Never below 0. Equal rows come out at up to 1e-7 (float32) or 1e-16 (float64) of |a|^2.
    """
    gram = np.zeros((len(left), len(right)))
    for start in range(0, left.shape[1], COLUMNS_AT_ONCE):
        some = slice(start, start + COLUMNS_AT_ONCE)
        gram += left[:, some] @ right[:, some].T
    norms = squared_norms(right) if right_norms is None else right_norms
    distances = squared_norms(left)[:, None] + norms - 2 * gram
    return np.maximum(distances, 0.0)


def squared_norms(rows: Array) -> npt.NDArray[np.float64]:
    return np.array([np.square(row, dtype=np.float64).sum() for row in rows])
