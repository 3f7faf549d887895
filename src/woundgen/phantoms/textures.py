"""A bank of tileable noise textures, computed once and sampled at any coordinates.

Wound tissue is made of a few kinds of pattern: cloud-like patches, granules, fibres, creases. Each kind is
one channel of a square bank with periodic borders; a phantom sees the bank at its own offset and rotation.
The bank is band-limited (no pattern finer than about five texels), so a phantom keeps its look at any size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

BANK_SIZE = 512
"""Side of the bank in texels, a power of two so that wrapping is a bit mask."""

TEXELS_PER_UNIT = 92.0
"""Texels in one scene unit (half a frame at zoom 1)."""

CHANNELS = ("patches", "eschar", "mottle", "warp_x", "warp_y", "grains", "fibres", "creases")
_BANK_SEED = 20_240_611


def _fractal(rng: np.random.Generator, shortest: float, longest: float, slope: float) -> np.ndarray:
    """Periodic Gaussian noise of unit variance; wavelengths in texels, amplitude ~ frequency ** -slope."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(BANK_SIZE)] * 2, indexing="ij"))
    safe = np.maximum(frequency, 1.0 / BANK_SIZE)
    soft_top = np.exp(-((safe * shortest) ** 4))
    soft_bottom = 1.0 - np.exp(-((safe * longest) ** 4))
    spectrum = np.fft.fft2(rng.standard_normal((BANK_SIZE, BANK_SIZE))) * safe**-slope * soft_top * soft_bottom
    return _standardise(np.fft.ifft2(spectrum).real)


def _standardise(field: np.ndarray) -> np.ndarray:
    return (field - field.mean()) / field.std()


def _cells(rng: np.random.Generator, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances, in units of `spacing`, to the nearest two of jittered points (Worley noise)."""
    count = round(BANK_SIZE / spacing)
    corners = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"), -1).reshape(-1, 2)
    points = (corners + rng.uniform(0.0, 1.0, corners.shape)) * (BANK_SIZE / count) % BANK_SIZE
    texels = np.stack(np.meshgrid(*[np.arange(BANK_SIZE, dtype=float)] * 2, indexing="ij"), -1).reshape(-1, 2)
    distances, _ = cKDTree(points, boxsize=BANK_SIZE).query(texels, k=2)
    nearest, second = (distances / spacing).T.reshape(2, BANK_SIZE, BANK_SIZE)
    return nearest, second


def _grains(rng: np.random.Generator) -> np.ndarray:
    """Rounded bumps of two sizes, as the surface of granulation tissue."""
    coarse, _ = _cells(rng, 12.5)
    fine, _ = _cells(rng, 7.5)
    return _standardise(-0.8 * coarse**2 - 0.8 * fine**2 + 0.25 * _fractal(rng, 8.0, 60.0, 1.0))


def _fibres(rng: np.random.Generator) -> np.ndarray:
    """Bright strands between dark gaps: ridges of cloud noise at two scales."""
    ridges = -np.abs(_fractal(rng, 9.0, 60.0, 1.2)) - 0.6 * np.abs(_fractal(rng, 6.0, 24.0, 1.0))
    return _standardise(ridges)


def _creases(rng: np.random.Generator) -> np.ndarray:
    """Skin relief: dark lines between small polygons, of a strength that varies from place to place."""
    nearest, second = _cells(rng, 11.0)
    lines = -np.exp(-(((second - nearest) / 0.22) ** 2))
    strength = np.clip(0.8 + 0.5 * _fractal(rng, 40.0, 200.0, 1.0), 0.1, 2.0)
    return _standardise(lines * strength + 0.25 * _fractal(rng, 6.0, 30.0, 0.8))


@lru_cache(maxsize=1)
def texture_bank() -> np.ndarray:
    """The bank, float32 [BANK_SIZE * BANK_SIZE, channels], every channel of zero mean and unit variance."""
    rng = np.random.default_rng(_BANK_SEED)
    layers = (
        _fractal(rng, 7.0, 150.0, 1.5),
        _fractal(rng, 7.0, 180.0, 1.6),
        _fractal(rng, 6.0, 120.0, 1.1),
        _fractal(rng, 10.0, 110.0, 1.7),
        _fractal(rng, 10.0, 110.0, 1.7),
        _grains(rng),
        _fibres(rng),
        _creases(rng),
    )
    return np.stack(layers, axis=-1).astype(np.float32).reshape(-1, len(CHANNELS))


@lru_cache(maxsize=4)
def _channels(first: int, last: int) -> np.ndarray:
    """Channels `first` to `last` (exclusive) of the bank, contiguous."""
    return np.ascontiguousarray(texture_bank()[:, first:last])


def sample_bank(u: np.ndarray, v: np.ndarray, first: int = 0, last: int = len(CHANNELS)) -> np.ndarray:
    """Bilinear samples, [N, S, S, last - first], at texel coordinates `u`, `v` (float32 [N, S, S])."""
    bank = _channels(first, last)
    mask = BANK_SIZE - 1
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    right, down = (u - column)[..., None], (v - row)[..., None]
    left_index, right_index = column & mask, (column + 1) & mask
    top_index, bottom_index = (row & mask) * BANK_SIZE, ((row + 1) & mask) * BANK_SIZE
    top_left, top_right = bank.take(top_index + left_index, 0), bank.take(top_index + right_index, 0)
    top = top_left + right * (top_right - top_left)
    low_left, low_right = bank.take(bottom_index + left_index, 0), bank.take(bottom_index + right_index, 0)
    bottom = low_left + right * (low_right - low_left)
    return top + down * (bottom - top)
