"""How many agreeing places mean a copy: the tail of what photographs of different scenes reach by chance.

The largest of many chance scores follows Gumbel's law (Gumbel 1958). It is fitted to the lower part of the scores
alone: photographs of one scene that nobody recognised lie above it and cannot lift the ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.integer]

SAME_SCENE = 12
"""Places from which two photographs count as one scene, whoever they are said to be of."""
LOWEST = 7
"""No ceiling is below it: so many places agree by chance between some two of many photographs."""
UNCENSORED = 0.75  # share of the scores whose values count; of the rest only that they are higher
BREAKDOWN = 1 - UNCENSORED
"""Share of photographs that may match another one unrecognised before the fit can follow them."""
RESAMPLES = 200
CROWDED = 5  # partners from which a photograph seems to match what all photographs share
LOCATIONS = np.arange(-3.0, 20.0, 0.2)
SPREADS = np.geomspace(0.25, 4.0, 25)
MOST = 60  # scores are cut here


@dataclass(frozen=True, slots=True)
class CopyCeiling:
    """An image with more than `value` agreeing places is a copy.

    n: photographs it rests on. fitted: before the limits LOWEST and SAME_SCENE - 1. low, high: 95 % interval of
    `value` over resampled photographs. above: photographs above it among the n. pairs: pairs that show one scene
    and were left out. crowded: share of the photographs that match CROWDED or more others.
    """

    value: int
    n: int
    level: float
    fitted: int
    low: int
    high: int
    above: int
    pairs: int
    crowded: float

    @property
    def is_supported(self) -> bool:
        """Return whether chance and copies are told apart among these photographs."""
        return self.fitted < SAME_SCENE and self.crowded <= 0.5

    def statement(self) -> str:
        """Return one sentence for people."""
        if not self.is_supported:
            why = (
                f"{self.crowded:.0%} of them match {CROWDED} or more others (a ruler, a label, a date stamp?)"
                if self.crowded > 0.5
                else f"photographs of different scenes agree in up to {self.fitted} places"
            )
            return f"no copy ceiling: these {self.n} photographs cannot support one, {why}"
        return (
            f"copy ceiling: a copy agrees with a photograph in more than {self.value} places (95 % interval "
            f"{self.low} to {self.high}, n = {self.n}; {self.above} above it; {self.pairs} pairs of the same scene "
            f"left out; holds while fewer than {BREAKDOWN:.0%} match another unrecognised)"
        )


def estimate_ceiling(scores: Scores, *, level: float, pairs: int = 0, crowded: float = 0.0) -> CopyCeiling:
    """Estimate the ceiling from scores [n]: the most places in which each photograph agrees with another scene's.

    level: share of photographs of new scenes that is to stay at or below it. pairs, crowded: recorded.
    """
    assert len(scores), "no score"
    counts = np.bincount(np.clip(scores, 0, MOST), minlength=MOST + 1).astype(np.float64)
    resampled = np.random.default_rng(0).multinomial(len(scores), counts / counts.sum(), RESAMPLES)
    fitted = _fit_quantile(counts[None], level)[0]
    low, high = np.percentile(_limit(_fit_quantile(resampled.astype(np.float64), level)), (2.5, 97.5))
    value = int(_limit(fitted))
    return CopyCeiling(
        value, len(scores), level, int(fitted), int(low), int(high), int((scores > value).sum()), pairs, crowded
    )


def _limit(values: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    return np.clip(values, LOWEST, SAME_SCENE - 1)


def _fit_quantile(counts: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.intp]:
    """[B] quantiles of Gumbel's law fitted to histograms [B, MOST + 1] by likelihood, the upper part censored."""
    below, cells, above = _grid()
    shares = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    limit = (shares < UNCENSORED).sum(axis=1)  # scores beyond this one are censored
    exact = np.where(np.arange(MOST + 1) <= limit[:, None], counts, 0)
    likelihood = exact @ cells.T + (counts - exact).sum(axis=1, keepdims=True) * above.T[limit]
    best = below[likelihood.argmax(axis=1)]
    return np.asarray((best < level).sum(axis=1))


@cache
def _grid() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Each [settings, MOST + 1]: chance of at most so many places; logs of the chance of exactly as many, of more."""
    location, spread = (axis.reshape(-1, 1) for axis in np.meshgrid(LOCATIONS, SPREADS, indexing="ij"))
    below = np.exp(-np.exp(-(np.arange(MOST + 1) + 0.5 - location) / spread))
    cells = np.diff(below, axis=1, prepend=0.0)
    return below, np.log(np.maximum(cells, 1e-300)), np.log(np.maximum(1 - below, 1e-300))
