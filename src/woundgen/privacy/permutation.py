"""Permutation of whole patients between trained-on and held out: exact, whatever the distribution.

Where sides were dealt at random and a generator gives nothing away, any other dealing of the same patients would
have served as well; so the share of dealings with a statistic as extreme is a p-value (Fisher 1935).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from woundgen.similarity.groups import Groups, group_codes

Sides = npt.NDArray[np.bool_]
PERMUTATIONS = 1999
LEVEL = 0.05
"""A p-value at or below it is a sign."""


def dealt_again(trained: Sides, groups: Groups | None, *, count: int, seed: int) -> npt.NDArray[np.bool_]:
    """[count, M] sides: as many patients trained on as in `trained` [M], dealt anew. No patient on two sides."""
    codes = group_codes(groups, len(trained))
    first = np.unique(codes, return_index=True)[1]
    own = trained[first]
    assert np.array_equal(own[codes], trained), "a patient is on both sides"
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(own, (count, 1)), axis=1)[:, codes]


def p_value(observed: float, null: npt.NDArray[np.float64]) -> float:
    """Share of the null at or above `observed`, itself counted among them (Phipson & Smyth 2010)."""
    return (1 + int((null >= observed - 1e-12).sum())) / (1 + len(null))


def null_of(statistic: Callable[[Sides], float], dealings: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.array([statistic(sides) for sides in dealings])
