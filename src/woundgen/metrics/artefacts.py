"""Artefacts that feature distances overlook: a mesh of 2 to 8 pixels, a spectrum too flat or too steep, lost sharpness.

A feature network sees what it was trained to see; these statistics are of the pixels themselves. `image_traces` takes
all that they need of each image once; the statistics of a set, and their bootstrap, are of rows of that table.

lattice    relative amplitude of the harmonics of 8, 4, 8/3 and 2 pixels in the profile of squared gradients, averaged
           over the set: a mesh stands at the same places in every image, and what photographs show does not. The
           square is taken over pairs of different images (a U-statistic), so that it does not grow as n shrinks and
           falls on both sides of 0 where there is no mesh.
           Pixels that alternate one by one have the same squared gradient everywhere: those, the sharpness sees.
mesh_4, mesh_2   power of the profile at a period of 4 and of 2 pixels over that of its neighbours; 1 without a mesh.
spectrum_slope   of the logarithm of the power spectrum over that of the frequency, 16 to 60 cycles an image, less that
           of the photographs: above 0 where fine detail is too strong.
sharpness_ratio  median variance of the Laplacian (Pech-Pacheco et al. 2000), as a share of the photographs'.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from woundgen.similarity.groups import Groups, group_codes
from woundgen.similarity.sharpness import LUMA, laplacian_variance

Images: TypeAlias = npt.NDArray[np.uint8]
Array: TypeAlias = npt.NDArray[np.floating]

ARTEFACTS = ("lattice", "mesh_4", "mesh_2", "spectrum_slope", "sharpness_ratio")
TRACES_VERSION = 1  # of the table: raise it when its numbers change
SMALLEST_SIDE = 64  # pixels: below, the harmonics and their neighbours coincide, and so few frequencies have no slope
FRAME = 3  # pixels left out at the edges of the profile
CYCLES = (16, 60)  # an image, first and last
_BLOCK = 64  # images whose spectra are held at once
# Columns of the table: cosines and sines of the four harmonics, the profile's mean, two powers each beside that of
# its neighbours, slope, sharpness.
_HARMONICS, _MEAN, _AT_4, _AT_2, _SLOPE, _SHARPNESS = slice(0, 7), 7, slice(8, 10), slice(10, 12), 12, 13


def image_traces(images: Images) -> npt.NDArray[np.float64]:
    """[N, 14] of uint8 [N, S, S, 3], S >= SMALLEST_SIDE: all that the statistics take from each image."""
    side = images.shape[1]
    assert images.shape[2] == side >= SMALLEST_SIDE, f"squares of {SMALLEST_SIDE} pixels or more, not {images.shape}"
    parts = []
    for first in range(0, len(images), _BLOCK):
        light = images[first : first + _BLOCK] @ LUMA
        slope, sharpness = _spectrum_slopes(light), laplacian_variance(images[first : first + _BLOCK] / 255.0)
        parts.append(np.column_stack([_profile_traces(light), slope, sharpness]))
    return np.concatenate(parts, dtype=np.float64) if parts else np.empty((0, 14))


def artefact_statistics(generated: Array, real: Array) -> tuple[float, ...]:
    """The values of ARTEFACTS of traces [n, 14] and [m, 14], each image a group of its own."""
    sides = [(traces, np.arange(len(traces)), np.ones((1, len(traces)))) for traces in (generated, real)]
    return tuple(_statistics(*sides)[0].tolist())


def bootstrap_artefacts(
    generated: Array,
    real: Array,
    *,
    real_groups: Groups | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Array:
    """[1 + resamples, 5]: the statistics of the sets, then those of sets drawn anew with replacement.

    Generated images are drawn one by one, photographs by groups, both sides at once: percentiles of a column are an
    interval for other images and other patients. (A pair of one image with itself never counts in `lattice`.)
    """
    rng = np.random.default_rng(seed)
    sides = []
    for traces, groups in ((generated, None), (real, real_groups)):
        codes = group_codes(groups, len(traces))
        count = int(codes.max()) + 1
        times = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        sides.append((traces, codes, np.concatenate([np.ones((1, count)), times])))
    return _statistics(*sides)


_Side: TypeAlias = tuple[Array, npt.NDArray[np.intp], Array]  # traces [n, 14], group of each, times of groups [B, g]


def _statistics(generated: _Side, real: _Side) -> Array:
    """[B, 5]."""
    traces, codes, times = generated
    weights = times[:, codes]
    at_4, at_2 = (weights @ traces[:, columns] for columns in (_AT_4, _AT_2))
    slopes = [(w := t[:, c]) @ x[:, _SLOPE] / w.sum(axis=1) for x, c, t in (generated, real)]
    medians = [_weighted_median(x[:, _SHARPNESS], t[:, c]) for x, c, t in (generated, real)]
    return np.column_stack(
        [
            _lattice(traces, codes, times),
            at_4[:, 0] / at_4[:, 1],
            at_2[:, 0] / at_2[:, 1],
            slopes[0] - slopes[1],
            medians[0] / np.maximum(medians[1], 1e-12),
        ]
    )


def _lattice(traces: Array, codes: npt.NDArray[np.intp], times: Array) -> Array:
    """[B] amplitudes: root of the mean product of two images' harmonics, over pairs from different groups.

    With its sign: without a mesh the product is as often below 0 as above.
    """
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.stack([np.bincount(codes, column) for column in traces[:, _HARMONICS].T], axis=1)
    products = np.square(times @ sums).sum(axis=1) - np.square(times) @ np.square(sums).sum(axis=1)
    pairs = np.square(times @ sizes) - np.square(times) @ np.square(sizes)
    mean = times[:, codes] @ traces[:, _MEAN] / (times @ sizes)
    # A resample may hold one group only: it has no pair, and says nothing of a mesh.
    square = np.divide(products, pairs, out=np.zeros_like(products), where=pairs > 0)
    return np.sign(square) * np.sqrt(np.abs(square)) / mean


def _profile_traces(light: Array) -> Array:
    """[N, 12] of luminance [N, S, S]."""
    across, down = np.square(np.diff(light, axis=2)), np.square(np.diff(light, axis=1))
    profile = (across.mean(axis=1) + down.mean(axis=2)) / 2
    profile /= np.maximum(profile.mean(axis=1, keepdims=True), 1e-12)
    count = (light.shape[1] - 8) // 8 * 8
    waves = np.fft.rfft(profile[:, FRAME : FRAME + count], axis=1)
    power, base = np.square(np.abs(waves)), count // 8
    three = np.sqrt(2) * waves[:, [base, 2 * base, 3 * base]]  # each stands for its mirror image, too
    beside = [
        power[:, [k for k in (at - 3, at - 2, at + 2, at + 3) if k < power.shape[1]]].mean(axis=1)
        for at in (2 * base, 4 * base)
    ]
    return np.column_stack(
        [
            three.real, three.imag, waves[:, 4 * base].real, waves[:, 0].real,
            power[:, 2 * base], beside[0], power[:, 4 * base], beside[1],
        ]
    )  # fmt: skip


def _spectrum_slopes(light: Array) -> Array:
    """[N] of luminance [N, S, S] under a Hann window."""
    side = light.shape[1]
    window = np.hanning(side)
    centred = light - light.mean(axis=(1, 2), keepdims=True)
    power = np.square(np.abs(np.fft.fft2(centred * window[:, None] * window)))
    frequency = np.fft.fftfreq(side) * side
    ring = np.round(np.hypot(frequency[:, None], frequency)).astype(np.intp).ravel()
    cycles = np.arange(CYCLES[0], min(CYCLES[1] + 1, side // 2))
    counts = np.bincount(ring)[cycles]
    radial = np.stack([np.bincount(ring, image.ravel())[cycles] / counts for image in power])
    return np.asarray(np.polyfit(np.log(cycles), np.log(radial + 1e-9).T, 1)[0])


def _weighted_median(values: Array, weights: Array) -> Array:
    """[B] medians of [n], each value taken as often as its weight [B, n] says; the mean of two in the middle."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(weights[:, order], axis=1)
    half = cumulated[:, -1:] / 2
    below, above = (cumulated >= half).argmax(axis=1), (cumulated > half).argmax(axis=1)
    return (values[order][below] + values[order][above]) / 2
