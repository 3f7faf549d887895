"""Colour of an image in CIELAB, and the short vector of statistics a colour classifier sees.

CIE 15:2004 with the D65 white of the 2 degree observer; sRGB by IEC 61966-2-1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

RGB_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE_D65 = np.array([0.95047, 1.0, 1.08883])

QUANTILES = (0.1, 0.5, 0.9)
COLOUR_STATISTICS: tuple[str, ...] = tuple(
    f"{region}_{channel}_{statistic}"
    for region in ("whole", "centre")
    for statistic in ("mean", "sd", *(f"q{round(100 * q)}" for q in QUANTILES))
    for channel in ("L", "a", "b")
)


def srgb_to_lab(images: Array) -> npt.NDArray[np.float64]:
    """[..., 3] sRGB in 0..1 -> [..., 3] with L* in 0..100, a* and b* about -100..100."""
    rgb = np.asarray(images, np.float64)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    ratio = linear @ RGB_TO_XYZ.T / WHITE_D65
    bent = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def colour_statistics(images: Array) -> npt.NDArray[np.float64]:
    """[N, 30] of images [N, H, W, 3] in 0..1, columns named by COLOUR_STATISTICS.

    The centre is the middle half of height and of width, where the wound is; the whole image adds the skin.
    """
    return np.stack([_statistics_of_one(srgb_to_lab(image)) for image in images])


def _statistics_of_one(lab: Array) -> Array:
    height, width, _ = lab.shape
    centre = lab[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return np.concatenate([_statistics_of_region(region.reshape(-1, 3)) for region in (lab, centre)])


def _statistics_of_region(pixels: Array) -> Array:
    quantiles = np.quantile(pixels, QUANTILES, axis=0)
    return np.concatenate((pixels.mean(axis=0), pixels.std(axis=0), quantiles.ravel()))
