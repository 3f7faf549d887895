"""The layout of a picture: where it is light and where dark, whatever its texture.

What a model draws anew over a photograph, as img2img does, has other texture, so that no keypoint of it agrees with the
photograph, and is light and dark in the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating]

SIDE = 64
FINE, COARSE = 1.0, 5.0
"""Standard deviations, in pixels of SIDE, of the two blurs whose difference counts: neither grain nor lighting."""
LOWEST = 0.60
"""No ceiling is below it: a correlation to which single pairs of different phantoms come."""
HIGHEST = 0.70
"""No ceiling is above it: of 81,200 pairs of foot-ulcer photographs of different scenes the most alike have 0.68."""
LEVEL = 0.995  # share of photographs of new scenes that is to stay at or below the ceiling, between the limits
QUANTILES = (0.1, 0.6)  # that Gumbel's law is laid through
RESAMPLES = 200
FLAT = 1e-6


@dataclass(frozen=True, slots=True)
class LayoutCeiling:
    """An image whose layout correlates with a photograph's by more than `value` is a copy.

    n: photographs it rests on; 0: none, and `value` is HIGHEST. fitted: before the limits LOWEST and HIGHEST. low,
    high: 95 % interval of `value` over resampled photographs. above: photographs above it among the n.
    """

    value: float
    n: int
    fitted: float
    low: float
    high: float
    above: int

    def statement(self) -> str:
        """Return a sentence for people."""
        if self.n == 0:
            return f"layout: an image that correlates with a photograph by more than {self.value:.2f} is a copy, too"
        return (
            f"layout: an image that correlates with a photograph by more than {self.value:.2f} is a copy, too (95 % "
            f"interval {self.low:.2f} to {self.high:.2f}, n = {self.n}; {self.above} above it)"
        )


def describe_layout(image: npt.NDArray[np.uint8]) -> Matrix:
    """Describe an RGB image, uint8 [H, W, 3]: [SIDE * SIDE], mean 0 and norm 1, so that a product is a correlation.

    Grey values at SIDE pixels, less their blur. An image without any contrast gives zeros: it is like nothing.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    reduced = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    band = cv2.GaussianBlur(reduced, (0, 0), FINE) - cv2.GaussianBlur(reduced, (0, 0), COARSE)
    centred = (band - band.mean()).ravel()
    norm = float(np.linalg.norm(centred))
    return np.asarray(centred / norm if norm > FLAT else np.zeros_like(centred), np.float32)


def correlate_layouts(images: Matrix, references: Matrix) -> Matrix:
    """Correlate layouts [N, D] with layouts [M, D]: [N, M], 0..1.

    Of the image, its mirror image and the negatives of both, whichever is most: a negative is dark where the picture is
    light, and correlates by -1.
    """
    mirrored = images.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(images), -1)
    return np.asarray(np.maximum(np.abs(images @ references.T), np.abs(mirrored @ references.T)))


def stack_layouts(layouts: Sequence[Matrix]) -> Matrix:
    """Stack layouts to [N, D], where there are none too."""
    return np.stack(layouts) if len(layouts) else np.empty((0, SIDE * SIDE), np.float32)


def estimate_layout_ceiling(correlations: Values) -> LayoutCeiling:
    """Estimate the ceiling from correlations [n]: the highest of each photograph with one of another scene."""
    fitted = float(_fit_quantile(correlations[None])[0])
    value = float(_limit(np.array([fitted]))[0])
    rows = np.random.default_rng(0).integers(0, len(correlations), (RESAMPLES, len(correlations)))
    low, high = np.percentile(_limit(_fit_quantile(correlations[rows])), (2.5, 97.5))
    return LayoutCeiling(value, len(correlations), fitted, float(low), float(high), int((correlations > value).sum()))


UNSUPPORTED = LayoutCeiling(HIGHEST, 0, HIGHEST, HIGHEST, HIGHEST, 0)
"""For photographs that are too few to say what is usual among them."""


def _limit(values: Values) -> Values:
    return np.clip(values, LOWEST, HIGHEST)


def _fit_quantile(values: Values) -> Values:
    """Return [B] LEVEL quantiles of Gumbel's law through two lower quantiles of values [B, n].

    What lies above these may be of the same scene unrecognised. Gumbel 1958: the q quantile is location - spread *
    log(-log(q)).
    """
    lower, upper = np.quantile(values, QUANTILES, axis=1)
    at_lower, at_upper, at_level = -np.log(-np.log([*QUANTILES, LEVEL]))
    return np.asarray(lower + (upper - lower) * (at_level - at_lower) / (at_upper - at_lower))
