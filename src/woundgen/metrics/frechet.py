"""Frechet distance between two feature sets seen as Gaussians (Dowson & Landau 1982; FID: Heusel 2017).

    FD = |mean_x - mean_y|^2 + tr S_x + tr S_y - 2 tr sqrt(S_x S_y)

With centred features X and Y, S_x = X'X / (n - 1) and S_y = Y'Y / (m - 1), the last trace is the sum of the
singular values of X Y' / sqrt((n - 1)(m - 1)): exact, no square root of a near-singular matrix, and for
n = 100 images of 2048 features a 100 x 100 problem. Where n > d, X is first replaced by the triangle R of
its QR decomposition, which leaves those singular values as they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def frechet_distance(x: Array, y: Array) -> float:
    """Of rows [n, d] and [m, d]; covariances with ddof 1, as in pytorch-fid, clean-fid and torch-fidelity.

    Biased upwards by an amount that depends on n and the spectrum: at n = 100 it is far from 0 even for two
    samples of one distribution. Compare values at equal n only, and read them beside the floor (floor.py).
    """
    shift = x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)
    left, right = _covariance_factor(x), _covariance_factor(y)
    overlap = np.linalg.svd(left @ right.T, compute_uv=False).sum()
    distance = shift @ shift + np.square(left).sum() + np.square(right).sum() - 2 * overlap
    return max(float(distance), 0.0)  # rounding may leave -1e-12 for equal sets


def _covariance_factor(features: Array) -> npt.NDArray[np.float64]:
    """F [min(n, d), d] with F'F the covariance."""
    count, width = features.shape
    factor = (features - features.mean(axis=0, dtype=np.float64)) / np.sqrt(count - 1)
    return factor if count <= width else np.asarray(np.linalg.qr(factor, mode="r"))
