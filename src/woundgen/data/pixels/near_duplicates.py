"""Photographs that show nearly the same picture. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

THUMBNAIL_SIDE = 16
NEAR = 0.98
_BLOCK = 512  # rows of the correlation matrix held at a time


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] (padding cropped) as grey float32 [16, 16], for `near_duplicate_pairs`."""
    grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    small = grey.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def near_duplicate_pairs(thumbnails: np.ndarray, *, threshold: float = NEAR) -> np.ndarray:
    """Rows (i, j), i < j, of [N, h, w] whose Pearson correlation over pixels exceeds `threshold`: int [K, 2].

    A picture without any contrast has no correlation and is near nothing.
    """
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)
    pairs = []
    for start in range(0, len(unit), _BLOCK):
        left, right = np.nonzero(unit[start : start + _BLOCK] @ unit.T > threshold)
        pairs.append(np.stack([left + start, right], axis=1))
    found = np.concatenate(pairs) if pairs else np.empty((0, 2), int)
    return found[found[:, 0] < found[:, 1]]


def near_duplicate_groups(thumbnails: np.ndarray, *, threshold: float = NEAR) -> np.ndarray:
    """Group number of each of [N, h, w], int [N]: near duplicates, and chains of them, share one."""
    return linked(len(thumbnails), near_duplicate_pairs(thumbnails, threshold=threshold))


def linked(count: int, pairs: Iterable[tuple[int, int]] | np.ndarray) -> np.ndarray:
    """Connected components of `count` items under `pairs`: component number of each, int [count]."""
    links = np.asarray(list(pairs), int).reshape(-1, 2)
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]
