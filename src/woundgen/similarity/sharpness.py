"""Sharpness: the variance of the Laplacian (Pech-Pacheco et al. 2000)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, the grey of PIL and OpenCV
LAPLACIAN = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])


def gradient_energy(images: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """[N] mean squared difference of neighbouring grey values, down and across, of images [N, H, W, 3] in 0..1."""
    grey = np.asarray(images, np.float64) @ LUMA
    return np.square(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.square(np.diff(grey, axis=2)).mean(axis=(1, 2))


def laplacian_variance(images: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """[N], of images [N, H, W, 3] in 0..1. OpenCV's value for 8-bit grey images is 255^2 times as large.

    Grows with noise as well as with sharpness; blur lowers it.
    """
    grey = np.asarray(images, np.float64) @ LUMA
    return np.array([correlate(one, LAPLACIAN, mode="mirror").var() for one in grey])
