"""Whether a set of images can be distinguished from photographs by numbers that have a floor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from woundgen.records import MetricValue
from woundgen.reporting.stored_metrics import CEILING, FLOOR, by_kind, kind

MARGIN = 0.5  # of equivalence, as a share of the ceiling's KID
CAUTION = 1.5  # a KID that is low by chance has a short interval: claims at the margin were 4 to 10 of 100 at 1
FEWEST_FOR_VERDICT = 30  # images and photographs; below, intervals are so wide that they overlap whatever is drawn


@dataclass(frozen=True, slots=True)
class Distinction:
    """by: the numbers that distinguish, or that show equivalence. n: the fewest images or photographs of any number.
    count: how many were held against their floor."""

    verdict: Literal["unmeasured", "too few", "distinguishable", "equivalent", "open"]
    by: tuple[MetricValue, ...] = ()
    n: int = 0
    count: int = 0


def distinguish(values: Sequence[MetricValue]) -> Distinction:
    """Hold every number with an interval against its floor.

    Several metrics look at the same images, so a single one that distinguishes them outweighs all that do not. That
    intervals overlap shows nothing: equivalence takes a test (is_equivalent), in every network.
    """
    floors = by_kind(values, FLOOR)
    held = [value for value in values if not value.label and kind(value) in floors and value.low is not None]
    if not held:
        return Distinction("unmeasured")
    least = min(min(value.n) for value in held)
    if least < FEWEST_FOR_VERDICT:
        return Distinction("too few", n=least, count=len(held))
    by = tuple(value for value in held if is_distinguishable(value, floors[kind(value)]))
    if by:
        return Distinction("distinguishable", by=by, n=least, count=len(held))
    kids, ceilings = tuple(value for value in held if value.metric == "kid"), by_kind(values, CEILING)
    if kids and all(kind(value) in ceilings and is_equivalent(value, ceilings[kind(value)]) for value in kids):
        return Distinction("equivalent", by=kids, n=least, count=len(held))
    return Distinction("open", n=least, count=len(held))


def is_equivalent(value: MetricValue, ceiling: MetricValue) -> bool:
    """Whether KID is shown to be below the margin: half of what photographs lose by a round trip in the autoencoder.

    Both are estimates. The upper end of their difference comes from the two 95 % intervals (MOVER: Zou & Donner 2008),
    and lies below 0: a one-sided test at 2.5 % (Schuirmann 1987; KID of a population is never below 0). Not for other
    metrics, whose values shift with n.
    """
    assert value.metric == ceiling.metric == "kid"
    if value.high is None or ceiling.low is None:
        return False
    error = CAUTION * math.hypot(value.high - value.value, MARGIN * (ceiling.value - ceiling.low))
    return value.value - MARGIN * ceiling.value + error < 0


def is_distinguishable(value: MetricValue, floor: MetricValue) -> bool:
    """Whether the interval lies outside the floor's; KID, which has no bias, is held against 0."""
    if value.low is None or value.high is None:
        return False
    if value.metric == "kid":
        return value.low > 0
    if floor.low is None or floor.high is None or (floor.n != value.n and value.metric in ("fd", "fid")):
        return False
    return value.low > floor.high or value.high < floor.low
